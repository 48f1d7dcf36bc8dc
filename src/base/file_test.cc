#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/testing.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TempDirectory;
using testing::write_file;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  return names;
}

TEST(MappedFileTest, ShowsTheBytesAndSurvivesAMove) {
  const TempDirectory dir;
  write_file(dir / "a", std::string(10'000, 'x') + "end");
  auto file = MappedFile::open(dir / "a");
  ASSERT_TRUE(file);
  const std::byte* before = file->bytes().data();
  MappedFile moved = std::move(*file);
  EXPECT_EQ(moved.bytes().data(), before);
  EXPECT_TRUE(file->bytes().empty());
  EXPECT_EQ(text_of(moved), std::string(10'000, 'x') + "end");
  auto other = MappedFile::open(dir / "a");
  ASSERT_TRUE(other);
  *other = std::move(moved);
  EXPECT_EQ(other->bytes().data(), before);
}

TEST(MappedFileTest, AdviceNeverChangesWhatIsRead) {
  const TempDirectory dir;
  const std::string content(50'000, 'y');
  write_file(dir / "a", content);
  const auto file = MappedFile::open(dir / "a");
  ASSERT_TRUE(file);
  for (const Advice advice : {Advice::sequential, Advice::dont_need}) {
    file->advise(file->bytes(), advice);
    file->advise(file->bytes().subspan(1, 5), advice);
    file->advise(file->bytes().subspan(4095, 10'000), advice);
    file->advise({}, advice);
    file->advise(std::as_bytes(std::span(content)), advice);  // not ours: ignored
    EXPECT_EQ(text_of(*file), content);
  }
  EXPECT_EQ(content, std::string(50'000, 'y'));
}

TEST(MappedFileTest, EmptyMissingAndIrregularFiles) {
  const TempDirectory dir;
  write_file(dir / "empty", "");
  const auto empty = MappedFile::open(dir / "empty");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->bytes().empty());
  const auto missing = MappedFile::open(dir / "missing");
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr((dir / "missing").string()));
  const auto directory = MappedFile::open(dir.path());
  EXPECT_EQ(directory.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(directory.error().message, HasSubstr("a directory"));
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(dir / "pipe").error().code, ErrorCode::invalid_argument);
}

TEST(MappedFileTest, AFileThatIsWrittenOverOrCutIsTold) {
  const TempDirectory dir;
  write_file(dir / "a", std::string(10'000, 'x'));
  const auto a = MappedFile::open(dir / "a");
  ASSERT_TRUE(a);
  EXPECT_TRUE(a->check_unchanged());
  fs::last_write_time(dir / "a", fs::last_write_time(dir / "a") + std::chrono::seconds(5));
  const Status written = a->check_unchanged();
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr((dir / "a").string() + ": changed while it was being used"));
  const auto again = MappedFile::open(dir / "a");
  ASSERT_TRUE(again);
  fs::resize_file(dir / "a", 9'000);
  EXPECT_THAT(again->check_unchanged().error().message, HasSubstr("10000 bytes before, 9000 now"));
}

TEST(MappedFileTest, AFileThatIsReplacedByRenamingIsTheSameToWhoHasItOpen) {
  const TempDirectory dir;
  write_file(dir / "a", "old");
  auto a = MappedFile::open(dir / "a");
  ASSERT_TRUE(a);
  write_file(dir / "b", "newer");
  fs::rename(dir / "b", dir / "a");
  const MappedFile moved = std::move(*a);
  EXPECT_TRUE(moved.check_unchanged());
  EXPECT_EQ(text_of(moved), "old");
}

TEST(FilesTest, OnlyRegularFilesAreRead) {
  const TempDirectory dir;
  write_file(dir / "a", "content");
  EXPECT_EQ(read_regular_file(dir / "a").value(), "content");
  EXPECT_EQ(read_regular_file(dir / "a", 6).error().code, ErrorCode::unsupported);
  EXPECT_THAT(read_regular_file("/proc/self/status").value(), HasSubstr("Name:"));
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(read_regular_file(dir / "pipe").error().message, HasSubstr("found a FIFO"));
  EXPECT_THAT(read_regular_file("/dev/zero").error().message, HasSubstr("found a device"));
  EXPECT_THAT(read_regular_file(dir.path()).error().message, HasSubstr("found a directory"));
}

TEST(FilesTest, ALoopOfLinksIsNotNothing) {
  const TempDirectory dir;
  fs::create_symlink(dir / "b", dir / "a");
  fs::create_symlink(dir / "a", dir / "b");
  fs::create_symlink(dir / "none", dir / "dangling");
  EXPECT_EQ(type_of(dir / "dangling").value(), fs::file_type::not_found);
  EXPECT_EQ(type_of(dir / "none").value(), fs::file_type::not_found);
  EXPECT_THAT(type_of(dir / "a").error().message, HasSubstr("Too many levels of symbolic links"));
  EXPECT_THAT(MappedFile::open(dir / "a").error().message, HasSubstr("Too many levels of symbolic links"));
}

TEST(FilesTest, FoldersThatCanBeWrittenAreToldBeforeWriting) {
  const TempDirectory dir;
  write_file(dir / "file", "");
  EXPECT_TRUE(check_folder_writable(dir.path()));
  EXPECT_EQ(check_folder_writable(dir / "none").error().code, ErrorCode::not_found);
  EXPECT_EQ(check_folder_writable(dir / "file").error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(check_folder_writable("/proc/self"));
  EXPECT_TRUE(check_folder_makeable(dir / "no/such/folder/"));
  EXPECT_FALSE(check_folder_makeable(dir / "file/below"));
  EXPECT_TRUE(check_folder_makeable("relative"));
  EXPECT_THAT(names_in(dir.path()), ::testing::ElementsAre("file"));
}

TEST(FilesTest, WhatARenameWouldReplaceIsKnownByEveryName) {
  const TempDirectory dir;
  write_file(dir / "data", "");
  fs::create_symlink("data", dir / "link");
  fs::create_directory_symlink(dir.path(), dir / "here");
  EXPECT_TRUE(would_replace(dir / "data", dir / "data"));
  EXPECT_TRUE(would_replace(dir / "here/data", dir / "./data"));
  EXPECT_TRUE(would_replace(dir / "data", dir / "link")) << "the link would lead to something else";
  EXPECT_TRUE(would_replace(dir / "link", dir / "link"));
  EXPECT_FALSE(would_replace(dir / "link", dir / "data")) << "only the link goes";
  EXPECT_FALSE(would_replace(dir / "other", dir / "data"));
  EXPECT_TRUE(would_replace("not-there", "./not-there"));
}

TEST(AtomicFileTest, WhatItCannotReplaceIsToldBeforehand) {
  const TempDirectory dir;
  write_file(dir / "old", "");
  EXPECT_TRUE(AtomicFile::check(dir / "new"));
  EXPECT_TRUE(AtomicFile::check(dir / "old"));
  EXPECT_EQ(AtomicFile::check(dir.path()).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(AtomicFile::check(dir / "no/file").error().code, ErrorCode::not_found);
  EXPECT_EQ(AtomicFile::check(dir / "old/file").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(AtomicFile::check("/dev/null").error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(names_in(dir.path()), ::testing::ElementsAre("old"));
}

TEST(AtomicFileTest, CommitGivesTheTargetItsNewContentAndLeavesNothingElse) {
  const TempDirectory dir;
  write_file(dir / "a", "old");
  ASSERT_TRUE(write_atomically(dir / "a", [](AtomicFile& file) -> Status {
    ADDER_CHECK(file.write("new "));
    ADDER_CHECK(file.write("content"));
    EXPECT_EQ(file.written(), 11u);
    return {};
  }));
  EXPECT_EQ(read_file(dir / "a"), "new content");
  EXPECT_THAT(names_in(dir.path()), ::testing::ElementsAre("a"));
}

TEST(AtomicFileTest, AFailingWriterLeavesTheTargetAlone) {
  const TempDirectory dir;
  write_file(dir / "a", "old");
  const Status status = write_atomically(dir / "a", [&](AtomicFile& file) -> Status {
    ADDER_CHECK(file.write("half"));
    EXPECT_EQ(read_file(dir / "a"), "old");
    return fail(ErrorCode::cancelled, "stopped");
  });
  EXPECT_EQ(status.error().code, ErrorCode::cancelled);
  EXPECT_EQ(read_file(dir / "a"), "old");
  EXPECT_THAT(names_in(dir.path()), ::testing::ElementsAre("a"));
}

TEST(AtomicFileTest, DroppedWithoutCommitLeavesNothing) {
  const TempDirectory dir;
  {
    auto file = AtomicFile::create(dir / "a");
    ASSERT_TRUE(file);
    AtomicFile moved = std::move(*file);
    ASSERT_TRUE(moved.write("x"));
  }
  EXPECT_TRUE(names_in(dir.path()).empty());
}

TEST(AtomicFileTest, RefusesWhatItCannotReplace) {
  const TempDirectory dir;
  EXPECT_EQ(AtomicFile::create(dir.path()).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(AtomicFile::create(dir.path() / "").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(AtomicFile::create("/dev/null").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(AtomicFile::create(dir / "no/such/file").error().code, ErrorCode::not_found);
}

TEST(AtomicFileTest, SecondCommitIsAnError) {
  const TempDirectory dir;
  auto file = AtomicFile::create(dir / "a");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(file->commit().error().code, ErrorCode::failed_precondition);
  EXPECT_EQ(read_file(dir / "a"), "");
}

}  // namespace
}  // namespace adder
