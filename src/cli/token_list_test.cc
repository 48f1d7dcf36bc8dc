#include "cli/token_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace adder::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Numbers = std::vector<std::int64_t>;

TEST(ParseNumbers, AnyMixtureOfSeparators) {
  EXPECT_THAT(*parse_numbers("1,2 3\n4\t5\r\n,,6 ,", "x"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(*parse_numbers("-7", "x"), ElementsAre(-7));
  EXPECT_THAT(*parse_numbers("", "x"), IsEmpty());
  EXPECT_THAT(*parse_numbers(" ,\n", "x"), IsEmpty());
}

TEST(ParseNumbers, TooLargeNumbersSaturate) {
  EXPECT_THAT(
      *parse_numbers("99999999999999999999,-99999999999999999999", "x"),
      ElementsAre(std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()));
}

TEST(ParseNumbers, NamesWhatIsNoNumber) {
  for (const char* bad : {"1,two,3", "1.5", "0x10", "+1", "1e3", "--1", "1;2", "99999999999999999999x"}) {
    const auto parsed = parse_numbers(bad, "--ids");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(parsed.error().message, HasSubstr("--ids: \""));
  }
}

TEST(CheckTokenIds, BoundsAndEmptiness) {
  EXPECT_THAT(*check_token_ids(Numbers{0, 9}, 10), ElementsAre(0, 9));
  EXPECT_THAT(check_token_ids(Numbers{}, 10).error().message, HasSubstr("the prompt is empty"));
  EXPECT_THAT(check_token_ids(Numbers{1, 10}, 10).error().message, HasSubstr("token id 10 is outside"));
  EXPECT_THAT(check_token_ids(Numbers{-1}, 10).error().message, HasSubstr("expected 0 to 9"));
}

}  // namespace
}  // namespace adder::cli
