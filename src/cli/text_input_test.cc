#include "cli/text_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/testing.h"

namespace adder::cli {
namespace {

using ::testing::HasSubstr;

TEST(TextInput, OneNewlineAtTheEndOfAPromptIsDropped) {
  const adder::testing::TempDirectory folder;
  const auto prompt = [&](const std::string& text) {
    adder::testing::write_file(folder / "p", text);
    return read_prompt_file(folder / "p").value();
  };
  EXPECT_EQ(prompt("a\n"), "a");
  EXPECT_EQ(prompt("a\n\n"), "a\n");
  EXPECT_EQ(prompt("a"), "a");
  EXPECT_EQ(prompt("\n"), "");
  EXPECT_EQ(prompt(""), "");
  EXPECT_EQ(read_text_file(folder / "p").value(), "");
}

TEST(TextInput, APipeIsReadToItsEnd) {
  const adder::testing::TempDirectory folder;
  const std::string pipe = (folder / "pipe").string(), text(200'000, 'x');
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  const auto read = read_text_file(pipe);
  writer.join();
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, text);
}

TEST(TextInput, WhatCannotBeReadIsNamed) {
  const adder::testing::TempDirectory folder;
  EXPECT_EQ(read_text_file(folder / "none").error().code, ErrorCode::not_found);
  EXPECT_EQ(read_text_file(folder.path()).error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(read_text_file(folder.path()).error().message, HasSubstr("is a directory"));
}

TEST(TextInput, ADeviceWithoutAnEndIsNotReadForEver) {
  const auto read = read_text_file("/dev/zero");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
  EXPECT_THAT(read.error().message, HasSubstr("/dev/zero: larger than"));
}

TEST(TextInput, EscapesStandForWhatTheyName) {
  EXPECT_EQ(unescape(R"(a\nb\t\"c\"\\n\x41)"), "a\nb\t\"c\"\\nA");
  EXPECT_EQ(unescape(R"(\q \xZZ \)"), R"(\q \xZZ \)");
  EXPECT_EQ(unescape(std::string_view("\\0", 2)), std::string(1, '\0'));
  EXPECT_EQ(unescape(""), "");
}

}  // namespace
}  // namespace adder::cli
