#include "base/file_lock.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/testing.h"

namespace adder {
namespace {

using testing::TempDirectory;

TEST(FileLock, IsHeldByOneAtATime) {
  const TempDirectory dir;
  {
    auto first = FileLock::try_acquire(dir / "lock");
    ASSERT_TRUE(first && *first);
    auto second = FileLock::try_acquire(dir / "lock");
    ASSERT_TRUE(second);
    EXPECT_FALSE(*second);
    const FileLock moved = *std::move(*first);
    second = FileLock::try_acquire(dir / "lock");
    EXPECT_TRUE(second && !*second) << "a move holds it";
  }
  const auto third = FileLock::try_acquire(dir / "lock");
  EXPECT_TRUE(third && *third);
  EXPECT_FALSE(FileLock::try_acquire(dir / "no/folder"));
}

}  // namespace
}  // namespace adder
