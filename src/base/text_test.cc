#include "base/text.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace adder {
namespace {

TEST(PrintableTest, TextStaysAndControlsAreSpelledOut) {
  EXPECT_EQ(printable("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d"),
            "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d");
  EXPECT_EQ(printable("\x1b[2Jx\x7f"), "\\x1b[2Jx\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m")
      << "CSI in one character";
  EXPECT_EQ(printable("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  EXPECT_EQ(printable("a\nb\tc\r", "\n\t"), "a\nb\tc\\x0d");
  EXPECT_EQ(printable("\xc2\x8a", "\n"), "\\xc2\\x8a");
  EXPECT_EQ(printable(""), "");
}

TEST(PrintableTest, BytesThatAreNotUtf8AreSpelledOut) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("a\xc3"), "a\\xc3");
  EXPECT_EQ(printable("\xe2\x82z"), "\\xe2\\x82z");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80") << "overlong";
  EXPECT_EQ(printable("\xf0\x80\x80\x80"), "\\xf0\\x80\\x80\\x80") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
}

TEST(PrintableTest, NamesInQuotesAreCutBetweenCharacters) {
  EXPECT_EQ(in_quotes("\xe2\x82\xac\xe2\x82\xac", 4), "\"\xe2\x82\xac...\"");
  EXPECT_EQ(in_quotes("\x1b]0;title\x07\xff"), "\"\\x1b]0;title\\x07\\xff\"");
}

TEST(JsonTextTest, BytesThatAreNotUtf8NeverThrow) {
  EXPECT_EQ(to_text(Json{{"path", "a\xff"}}), "{\"path\":\"a\xef\xbf\xbd\"}");
  EXPECT_EQ(to_text(nlohmann::ordered_json{{"b", 1}, {"a", 2}}, 1), "{\n \"b\": 1,\n \"a\": 2\n}");
}

}  // namespace
}  // namespace adder
