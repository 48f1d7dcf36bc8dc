#include "base/leftovers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/testing.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using testing::TempDirectory;
using testing::write_file;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

TEST(LeftoversTest, WhatAKilledProcessLeftIsSweptAndNothingElse) {
  const TempDirectory dir;
  write_file(dir / ".out.0123abcd.tmp", "half");
  fs::create_directories(dir / ".out.89ef0123.tmp" / "deep");
  const std::vector<std::string> others{".out.0123abc.tmp",    ".out.0123ABCD.tmp",     ".out.0123abcd.tmp.x",
                                        ".other.0123abcd.tmp", ".out.0123abcd.partial", "out"};
  for (const std::string& name : others) write_file(dir / name, "mine");
  sweep_leftovers(dir.path(), "out", "tmp");
  EXPECT_THAT(names_in(dir.path()), ::testing::UnorderedElementsAreArray(others));
  sweep_leftovers(dir / "none", "out", "tmp");
}

TEST(LeftoversTest, WhatALivingProcessWritesStays) {
  const TempDirectory dir;
  {
    const auto file = make_unfinished_file(dir.path(), "out", "tmp");
    const auto folder = make_unfinished_folder(dir.path(), "out", "tmp");
    ASSERT_TRUE(file && folder);
    sweep_leftovers(dir.path(), "out", "tmp");
    EXPECT_TRUE(fs::exists(file->path));
    EXPECT_TRUE(fs::exists(folder->path));
  }
  sweep_leftovers(dir.path(), "out", "tmp");
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(LeftoversTest, AnotherWriterOfTheSameFileSweeps) {
  const TempDirectory dir;
  write_file(dir / ".a.0123abcd.tmp", "left by a killed process");
  auto first = AtomicFile::create(dir / "a");
  auto second = AtomicFile::create(dir / "a");
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->write("one") && second->write("two"));
  ASSERT_TRUE(first->commit() && second->commit());
  EXPECT_EQ(testing::read_file(dir / "a"), "two");
  EXPECT_THAT(names_in(dir.path()), ::testing::ElementsAre("a"));
}

TEST(LeftoversTest, AFolderThatIsNotThereIsNamed) {
  const TempDirectory dir;
  const auto made = make_unfinished_folder(dir / "none", "out", "tmp");
  EXPECT_EQ(made.error().code, ErrorCode::not_found);
  EXPECT_THAT(made.error().message, ::testing::HasSubstr((dir / "none").string()));
}

}  // namespace
}  // namespace adder
