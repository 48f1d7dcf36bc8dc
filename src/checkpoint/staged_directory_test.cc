#include "checkpoint/staged_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/testing.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;
using adder::testing::read_file;
using adder::testing::TempDirectory;
using adder::testing::write_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

/// The working directory for as long as it lives.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const fs::path& path) : before_(fs::current_path()) { fs::current_path(path); }
  ~WorkingDirectory() { fs::current_path(before_); }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;

 private:
  fs::path before_;
};

Status fill(const fs::path& target) {
  ADDER_TRY(StagedDirectory staged, StagedDirectory::create(target));
  write_file(staged.path() / "config.json", "{}");
  write_file(staged.path() / "weights", "w");
  return staged.commit();
}

TEST(StagedDirectoryTest, ANewOneAppearsWithItsParents) {
  const TempDirectory dir;
  const Status filled = fill(dir.path() / "a" / "b" / "");
  ASSERT_TRUE(filled) << filled.error().message;
  EXPECT_THAT(names_in(dir.path() / "a"), ElementsAre("b"));
  EXPECT_THAT(names_in(dir.path() / "a" / "b"), UnorderedElementsAre("config.json", "weights"));
}

TEST(StagedDirectoryTest, TheWorkingDirectoryIsFilledInPlace) {
  const TempDirectory dir;
  fs::create_directory(dir / "here");
  {
    const WorkingDirectory here(dir / "here");
    for (const char* dot : {".", "./", "../here/."}) {
      const Status filled = fill(dot);
      ASSERT_TRUE(filled) << filled.error().message;
      EXPECT_THAT(names_in("."), UnorderedElementsAre("config.json", "weights")) << "the same folder, filled";
      fs::remove("config.json");
      fs::remove("weights");
    }
  }
  EXPECT_THAT(names_in(dir.path()), ElementsAre("here"));
}

TEST(StagedDirectoryTest, ALinkToAFolderStaysALink) {
  const TempDirectory dir;
  fs::create_directories(dir / "elsewhere" / "real");
  fs::create_directory_symlink(dir / "elsewhere" / "real", dir / "link");
  const Status filled = fill(dir / "link");
  ASSERT_TRUE(filled) << filled.error().message;
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "elsewhere" / "real" / "weights"), "w");
  EXPECT_THAT(names_in(dir / "elsewhere"), ElementsAre("real"));
}

TEST(StagedDirectoryTest, WhatCannotBeATargetIsToldBeforeTheWork) {
  const TempDirectory dir;
  fs::create_symlink(dir / "none", dir / "dangling");
  fs::create_symlink(dir / "loop", dir / "loop");
  write_file(dir / "file", "");
  const auto message = [&](const fs::path& target) {
    const auto staged = StagedDirectory::create(target);
    return staged ? std::string("nothing") : staged.error().message;
  };
  EXPECT_THAT(message(dir / "dangling"), HasSubstr("a link to something that is not there"));
  EXPECT_THAT(message(dir / "loop"), HasSubstr("Too many levels of symbolic links"));
  EXPECT_THAT(message(dir / "file"), HasSubstr("exists and is not a directory"));
  EXPECT_THAT(message(dir / "none" / ".."), HasSubstr("no such directory"));
  EXPECT_THAT(message(dir / "file" / "below"), HasSubstr("cannot make a directory"));
  EXPECT_THAT(message("/"), HasSubstr("not empty"));
  EXPECT_THAT(message("/proc/self/out"), HasSubstr("/proc/"));
  EXPECT_EQ(message(""), "expected the name of a directory");
  EXPECT_THAT(names_in(dir.path()), UnorderedElementsAre("dangling", "loop", "file"));
}

TEST(StagedDirectoryTest, DroppedWithoutCommitItLeavesNothing) {
  const TempDirectory dir;
  fs::create_directory(dir / "empty");
  for (const fs::path& target : {dir / "new/deep/down", dir / "empty"}) {
    auto staged = StagedDirectory::create(target);
    ASSERT_TRUE(staged);
    const StagedDirectory moved = std::move(*staged);
    write_file(moved.path() / "half", "written");
  }
  EXPECT_THAT(names_in(dir.path()), ElementsAre("empty"));
  EXPECT_TRUE(fs::is_empty(dir / "empty"));
}

TEST(StagedDirectoryTest, WhatAKilledProcessLeftIsSweptAndALivingOneIsNot) {
  const TempDirectory dir;
  fs::create_directories(dir / ".out.0123abcd.partial");
  write_file(dir / ".out.0123abcd.partial" / "weights", "half");
  fs::create_directories(dir / "empty" / ".adder.0123abcd.partial");
  auto living = StagedDirectory::create(dir / "out");
  ASSERT_TRUE(living);
  ASSERT_TRUE(fill(dir / "out"));
  ASSERT_TRUE(fill(dir / "empty"));
  EXPECT_THAT(names_in(dir / "empty"), UnorderedElementsAre("config.json", "weights"));
  EXPECT_THAT(names_in(dir.path()), UnorderedElementsAre("out", "empty", living->path().filename().string()));
  EXPECT_FALSE(living->commit()) << "somebody else filled it";
  EXPECT_EQ(read_file(dir / "out" / "weights"), "w");
}

TEST(StagedDirectoryTest, AnEmptyFolderThatIsFilledMeanwhileIsNotMixedUp) {
  const TempDirectory dir;
  fs::create_directory(dir / "out");
  {
    auto staged = StagedDirectory::create(dir / "out");
    ASSERT_TRUE(staged);
    write_file(staged->path() / "weights", "w");
    write_file(dir / "out" / "mine", "x");
    EXPECT_THAT(staged->commit().error().message, HasSubstr("mine appeared there meanwhile"));
  }
  EXPECT_THAT(names_in(dir / "out"), ElementsAre("mine"));
}

}  // namespace
}  // namespace adder::checkpoint
