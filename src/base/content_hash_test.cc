#include "base/content_hash.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "base/file_lock.h"
#include "base/json.h"
#include "base/testing.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using testing::TempDirectory;
using testing::write_file;

std::uint64_t hash_of(const std::string& text) { return content_hash(std::as_bytes(std::span(text))); }

TEST(ContentHash, EveryBitAndTheLengthCount) {
  const std::string text = "The quick brown fox jumps over the lazy dog.";
  std::set<std::uint64_t> seen{hash_of(text)};
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      EXPECT_TRUE(seen.insert(hash_of(other)).second) << i << " " << bit;
    }
  }
  for (std::size_t n = 0; n < 20; ++n) EXPECT_TRUE(seen.insert(hash_of(std::string(n, '\0'))).second) << n;
}

TEST(ContentHash, TwoTopBitsDoNotCancel) {
  std::string a(16, '\0'), b(16, '\0');
  b[7] = b[15] = static_cast<char>(0x80);
  EXPECT_NE(hash_of(a), hash_of(b));
}

std::string hash_file(const fs::path& file, const fs::path& memory) {
  const auto hash = content_hash(file, memory);
  return hash ? *hash : hash.error().message;
}

TEST(ContentHash, OfAFileIsRememberedUntilItChanges) {
  const TempDirectory dir;
  write_file(dir / "a", "one");
  const std::string one = hash_file(dir / "a", dir / "memory");
  EXPECT_EQ(one, hash_file(dir / "a", ""));
  // What is remembered is believed: so nothing was read again.
  auto memory = read_json_file(dir / "memory");
  ASSERT_TRUE(memory);
  memory->begin().value()["hash"] = "0123456789abcdef";
  write_file(dir / "memory", memory->dump());
  EXPECT_EQ(hash_file(dir / "a", dir / "memory"), "0123456789abcdef");
  write_file(dir / "a", "three");
  EXPECT_EQ(hash_file(dir / "a", dir / "memory"), hash_file(dir / "a", ""));
  EXPECT_NE(hash_file(dir / "a", dir / "memory"), one);
  // The same bytes elsewhere have the same hash.
  write_file(dir / "b", "one");
  EXPECT_EQ(hash_file(dir / "b", dir / "memory"), one);
}

TEST(ContentHash, AMemoryThatIsDamagedOrCannotBeWrittenOnlyCostsTheReading) {
  const TempDirectory dir;
  write_file(dir / "a", "one");
  const std::string one = hash_file(dir / "a", "");
  for (const char* text : {"", "[]", "{", "{\"a\": 1}"}) {
    write_file(dir / "memory", text);
    EXPECT_EQ(hash_file(dir / "a", dir / "memory"), one) << text;
  }
  EXPECT_EQ(hash_file(dir / "a", dir / "no/such/folder"), one);
  fs::create_directory(dir / "folder");
  EXPECT_EQ(hash_file(dir / "a", dir / "folder"), one);
  EXPECT_FALSE(content_hash(dir / "none", dir / "memory"));
}

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
