#include "checkpoint/generation_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(GenerationDefaultsTest, ReadsWhatIsThere) {
  const auto g = read_generation_defaults(testing::source_path("models/austen-3.6m/generation_config.json"));
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->do_sample, true);
  EXPECT_EQ(g->temperature, 0.8);
  EXPECT_EQ(g->top_p, 0.95);
  EXPECT_EQ(g->top_k, std::nullopt);
  EXPECT_EQ(g->max_new_tokens, 200);
  EXPECT_THAT(g->eos_token_ids, ElementsAre(0));
}

TEST(GenerationDefaultsTest, AMissingFileSaysNothingAndAWrongOneIsAnError) {
  const auto none = read_generation_defaults("/no/such/generation_config.json");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->temperature, std::nullopt);
  EXPECT_THAT(
      parse_generation_defaults(Json{{"temperature", "hot"}, {"top_p", 1.5}}, "g.json").error().message,
      AllOf(HasSubstr("temperature: expected a number"), HasSubstr("top_p: expected a number from 0 to 1")));
  EXPECT_FALSE(parse_generation_defaults(Json::array(), "g.json"));
}

}  // namespace
}  // namespace adder::checkpoint
