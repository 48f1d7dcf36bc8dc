#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"

namespace adder::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class ArgumentsTest : public ::testing::Test {
 protected:
  Words read(const Words& words) {
    const auto out = understand(*program.app, words);
    EXPECT_TRUE(out) << out.error().to_string();
    return out ? out->words : Words{};
  }
  Error refused(const Words& words) {
    const auto out = understand(*program.app, words);
    EXPECT_FALSE(out) << ::testing::PrintToString(out->words);
    return out ? Error{} : out.error();
  }
  Program program = make_program(80);
};

TEST_F(ArgumentsTest, OwnNamesStayAsTheyAre) {
  const Words words{"generate", "M", "-p", "x", "-n100", "--temp=0", "-vq", "--top-k", "-3", "-s", "-1"};
  EXPECT_THAT(read(words), ElementsAreArray(words));
}

TEST_F(ArgumentsTest, TheNamesOfOthersBecomeOurs) {
  EXPECT_THAT(read({"generate", "--temperature", "0.5", "--max-tokens=7", "-model", "M", "--top_k", "3"}),
              ElementsAre("generate", "--temp", "0.5", "--predict=7", "--model", "M", "--top-k", "3"));
  EXPECT_THAT(read({"perplexity", "--ctx-size", "512"}), ElementsAre("perplexity", "--context", "512"));
  EXPECT_THAT(read({"generate", "-hf", "ORG/NAME"}),
              ElementsAre("generate", "--pull", "--model", "ORG/NAME"));
  EXPECT_THAT(read({"generate", "--list-devices"}), ElementsAre("devices"));
}

TEST_F(ArgumentsTest, AValueIsNoOptionWhateverItLooksLike) {
  const Words words{"generate", "-p", "-ngl", "--stop", "--bogus", "M", "--", "--bogus"};
  EXPECT_THAT(read(words), ElementsAreArray(words));
}

TEST_F(ArgumentsTest, WhatCannotMeanAnythingSaysWhy) {
  EXPECT_THAT(refused({"generate", "-ngl", "99"}).message,
              HasSubstr("-ngl: a model runs whole on one device"));
  EXPECT_THAT(refused({"generate", "--ctx-size", "99"}).message, HasSubstr("no context window"));
  EXPECT_THAT(refused({"bench", "-fa"}).message, HasSubstr("no attention"));
}

TEST_F(ArgumentsTest, ATypoGetsTheNearestName) {
  EXPECT_THAT(refused({"generate", "--top-kk", "4"}).hint, HasSubstr("did you mean --top-k?"));
  EXPECT_THAT(refused({"generate", "--repeat", "4"}).hint, HasSubstr("did you mean --repeat-penalty?"));
  EXPECT_THAT(refused({"generate", "--temprature", "1"}).hint, HasSubstr("did you mean --temp?"));
  EXPECT_THAT(refused({"generate", "--max-token", "1"}).hint, HasSubstr("did you mean --predict?"));
  EXPECT_THAT(refused({"perplexty"}).hint, HasSubstr("`adder perplexity`"));
  EXPECT_THAT(refused({"run"}).hint, HasSubstr("`adder generate`"));
  EXPECT_EQ(refused({"xyzzy"}).hint, "see `adder help`");
  EXPECT_EQ(refused({"generate", "--xyzzy"}).hint, "see `adder generate --help`");
}

TEST_F(ArgumentsTest, MessagesUseTheUsersWords) {
  const auto out = understand(*program.app, {"generate", "-n", "many", "--temperature", "x"});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->in_users_words("--predict: bad, --predict-more, --temp is x"),
            "-n: bad, --predict-more, --temperature is x");
  EXPECT_EQ(out->in_users_words("one of -n/--predict and -p/--prompt"),
            "one of -n/--predict and -p/--prompt");
}

}  // namespace
}  // namespace adder::cli
