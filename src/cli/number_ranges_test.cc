#include "cli/number_ranges.h"

#include <gtest/gtest.h>

namespace adder::cli {
namespace {

using Numbers = std::vector<std::int64_t>;

Numbers numbers(std::string_view word) {
  const auto parsed = parse_range(word, {0, 1 << 20});
  return parsed ? *parsed : Numbers{-1};
}

TEST(ParseRange, TakesWhatLlamaBenchTakes) {
  EXPECT_EQ(numbers("128"), (Numbers{128}));
  EXPECT_EQ(numbers("0"), (Numbers{0}));
  EXPECT_EQ(numbers("1-4"), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(numbers("0-1024+512"), (Numbers{0, 512, 1024}));
  EXPECT_EQ(numbers("128-600*2"), (Numbers{128, 256, 512}));
  EXPECT_EQ(numbers("5-5"), (Numbers{5}));
  EXPECT_EQ(numbers("1048576-1048576*2"), (Numbers{1048576}));
}

TEST(ParseRange, NamesWhatItCannotTake) {
  for (const char* word : {"", "x", "-5", "1-", "1-x", "1-4+", "1-4*", "1-4/2", "1-4+1x", "4-1", "1048577",
                           "1-4+0", "1-4*1", "0-4*2", "0-1048576", "99999999999999999999"}) {
    const auto parsed = parse_range(word, {0, 1 << 20});
    ASSERT_FALSE(parsed) << word;
    EXPECT_EQ(parsed.error().message.find("\"" + std::string(word) + "\": "), 0U) << parsed.error().message;
  }
  EXPECT_FALSE(parse_range("0", {1, 10}));
}

}  // namespace
}  // namespace adder::cli
