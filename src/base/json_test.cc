#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <string>

#include "base/testing.h"

namespace adder {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(std::string_view text, const JsonOptions& options = {}) {
  const auto result = parse_json(text, "x.json", options);
  return result ? "parsed" : result.error().message;
}

TEST(JsonTest, OrdinaryDocumentsParseAsNlohmannParsesThem) {
  for (const char* text :
       {"{}", "[]", "null", " true ", "\"a\\\"Infinity\\u00e9\"", "[1,-2,3.5e-3,18446744073709551615]",
        R"({"a":{"b":[1,{"c":null}]},"NaN":"-Infinity","x":[[],{}]})"}) {
    const auto result = parse_json(text, "x.json");
    ASSERT_TRUE(result) << text;
    EXPECT_EQ(*result, Json::parse(text)) << text;
  }
}

TEST(JsonTest, BareNonFiniteWordsAreNumbers) {
  const auto result =
      parse_json(R"({"limit":[0.0,Infinity],"n":-Infinity,"q":NaN,"s":"NaN Infinity","i":7})", "x");
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)["limit"][1].get<double>(), std::numeric_limits<double>::infinity());
  EXPECT_EQ((*result)["limit"][0].get<double>(), 0.0);
  EXPECT_EQ((*result)["n"].get<double>(), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan((*result)["q"].get<double>()));
  EXPECT_EQ((*result)["s"], "NaN Infinity");
  EXPECT_EQ((*result)["i"], 7);
}

TEST(JsonTest, WordsThatOnlyContainThemAreNot) {
  for (const char* text : {"Infinityx", "[NaNs]", "xNaN", "+Infinity", "--Infinity", "-NaN", "[1.NaN]",
                           "[1Infinity]", "{Infinity:1}"})
    EXPECT_THAT(error_of(text), HasSubstr("not valid JSON")) << text;
}

TEST(JsonTest, ErrorsNameFileLineAndColumn) {
  EXPECT_THAT(error_of("{\n  \"a\": 1,\n  \"b\": ?\n}"), StartsWith("x.json:3:8: not valid JSON: "));
  EXPECT_THAT(error_of("{\"a\": Infinity,\n \"b\": }"), StartsWith("x.json:2:7: "));
  for (const char* text :
       {"", "{", "[1,", "{\"a\"}", "{\"a\":1,}", "tru", "\"open", "[1] 2", "\"\x01\"", "\"\xff\"", "\\"})
    EXPECT_THAT(error_of(text), StartsWith("x.json:1:")) << text;
}

TEST(JsonTest, DeepNestingIsRefusedWithoutUsingTheStack) {
  const std::string shallow = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(parse_json(shallow, "x"));
  EXPECT_THAT(error_of('[' + shallow + ']'), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(error_of(std::string(5'000'000, '[')), StartsWith("x.json:1:65: "));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(error_of(objects), HasSubstr("nested deeper"));
}

TEST(JsonTest, DuplicateKeysAreRefusedWhereAsked) {
  const char* text = "{\"a\":1,\n\"b\":{\"a\":2},\"a\":3}";
  const auto lenient = parse_json(text, "x.json");
  ASSERT_TRUE(lenient);
  EXPECT_EQ((*lenient)["a"], 3);
  EXPECT_THAT(error_of(text, {.reject_duplicate_keys = true}),
              ::testing::AllOf(StartsWith("x.json:2:"), HasSubstr("\"a\" appears twice")));
  EXPECT_EQ(error_of(R"({"a":{"a":1},"b":{"a":1}})", {.reject_duplicate_keys = true}), "parsed");
}

TEST(JsonTest, HugeNumbersAreAnErrorNotInfinity) { EXPECT_THAT(error_of("[1e999]"), HasSubstr("x.json:1:")); }

TEST(JsonTest, FilesOverTheLimitAreRefused) {
  const testing::TempDirectory dir;
  testing::write_file(dir / "a.json", "{\"a\": 1}");
  EXPECT_TRUE(read_json_file(dir / "a.json"));
  EXPECT_EQ(read_json_file(dir / "a.json", {}, 7).error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_json_file(dir / "b.json").error().code, ErrorCode::not_found);
}

TEST(JsonTest, NamesInMessagesAreCutAndEscaped) {
  EXPECT_EQ(in_quotes("a\"b\n\\"), "\"a\\\"b\\x0a\\\\\"");
  EXPECT_EQ(in_quotes(std::string(200, 'x'), 3), "\"xxx...\"");
  EXPECT_EQ(describe(Json::parse("[1,2]")), "an array of 2");
  EXPECT_EQ(describe(Json("x")), "the string \"x\"");
}

RC_GTEST_PROP(JsonProperty, AnyBytesEitherParseOrExplain, (const std::string& text)) {
  const auto result = parse_json(text, "x.json");
  RC_ASSERT((result || result.error().message.starts_with("x.json:")));
}

RC_GTEST_PROP(JsonProperty, JsonLikeBytesEitherParseOrExplain, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::elementOf(std::vector<std::string>{"{", "}", "[", "]", ":", ",", "\"a\"", "1", "-", "Infinity",
                                                  "NaN", "\"", "\\", "null", " ", "\n", "2.5e3"}));
  std::string text;
  for (const auto& piece : pieces) text += piece;
  const auto result = parse_json(text, "x.json");
  RC_ASSERT((result || result.error().message.starts_with("x.json:")));
}

RC_GTEST_PROP(JsonProperty, NumbersKeepTheirPlacesAmongNonFiniteOnes, ()) {
  const auto kinds = *rc::gen::container<std::vector<int>>(rc::gen::inRange(-1, 4));
  std::string text = "[0";
  for (const int kind : kinds)
    text += kind == 0   ? ",Infinity"
            : kind == 1 ? ",NaN"
            : kind == 2 ? ",-Infinity"
                        : ",\"NaN\"," + std::to_string(kind);
  const auto result = parse_json(text + "]", "x");
  RC_ASSERT(static_cast<bool>(result));
  std::size_t at = 1;
  for (const int kind : kinds) {
    if (kind == 0) RC_ASSERT((*result)[at].get<double>() > 1e308);
    if (kind == 1) RC_ASSERT(std::isnan((*result)[at].get<double>()));
    if (kind == 2) RC_ASSERT((*result)[at].get<double>() < -1e308);
    if (kind < 0 || kind > 2) RC_ASSERT((*result)[++at] == kind);
    ++at;
  }
}

}  // namespace
}  // namespace adder
