#include "ahead/target.h"

#include <gmock/gmock.h>

#include <fstream>

namespace adder::ahead {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::string_view kText = R"(# a card
platform = cuda
topology = 1x1x1
bandwidth = 3.352e12

[options]
topology = 1x1x1
bounds = [1, 2,3]
count = 4
share = 0.75
on = true
text =
  device { a: 1
    b: 2 }

[flags]
xla_gpu_autotune_level = 0
[environment]
TPU_ACCELERATOR_TYPE = v6e-1
)";

TEST(TargetTest, ReadsEveryKindOfLine) {
  const auto target = parse_target(kText, "card", "card.txt");
  ASSERT_TRUE(target) << target.error().to_string();
  EXPECT_EQ(target->name, "card");
  EXPECT_EQ(target->platform, "cuda");
  EXPECT_EQ(target->bandwidth, 3.352e12);
  EXPECT_EQ(target->bf16_flops, std::nullopt);
  using pjrt::NamedValue;
  EXPECT_THAT(target->options,
              ElementsAre(NamedValue{"topology", std::string("1x1x1")},
                          NamedValue{"bounds", std::vector<std::int64_t>{1, 2, 3}},
                          NamedValue{"count", std::int64_t{4}}, NamedValue{"share", 0.75f},
                          NamedValue{"on", true}, NamedValue{"text", std::string("device { a: 1 b: 2 }")}));
  EXPECT_THAT(target->flags, ElementsAre(Pair("xla_gpu_autotune_level", "0")));
  EXPECT_THAT(target->environment, ElementsAre(Pair("TPU_ACCELERATOR_TYPE", "v6e-1")));
}

TEST(TargetTest, SaysWhatIsWrongAndWhere) {
  const auto message = [](std::string_view text) {
    const auto target = parse_target(text, "t", "t.txt");
    return target ? std::string("it was taken") : target.error().message;
  };
  EXPECT_THAT(message("platform = cuda\nnonsense\n"), HasSubstr("t.txt: line 2: expected key = value"));
  EXPECT_THAT(message("platform = cuda\nspeed = 3\n"), HasSubstr("line 2: unknown key \"speed\""));
  EXPECT_THAT(message("bandwidth = fast\n"), HasSubstr("line 1: bandwidth: expected a number above 0"));
  EXPECT_THAT(message("bandwidth = -1\n"), HasSubstr("expected a number above 0, got \"-1\""));
  EXPECT_THAT(message("[colours]\na = b\n"), HasSubstr("line 2: unknown section [colours]"));
  EXPECT_THAT(message("  x = y\n"), HasSubstr("line 1: an indented line"));
  EXPECT_THAT(message("platform = cuda\n"), HasSubstr("no line \"topology"));
  EXPECT_THAT(message(""), HasSubstr("no line \"platform"));
}

TEST(TargetTest, EveryTargetThatComesWithAdderCanBeRead) {
  ASSERT_FALSE(known_targets().empty());
  for (const auto& [name, text] : known_targets()) {
    const auto target = find_target(name);
    ASSERT_TRUE(target) << target.error().to_string();
    EXPECT_EQ(target->name, name);
    EXPECT_TRUE(target->bandwidth && target->bf16_flops) << name;
    EXPECT_FALSE(target->options.empty()) << name;
  }
}

TEST(TargetTest, AFileIsATarget) {
  const std::string path = testing::TempDir() + "/my-card.txt";
  std::ofstream(path) << kText;
  const auto target = find_target(path);
  ASSERT_TRUE(target) << target.error().to_string();
  EXPECT_EQ(target->name, "my-card");
  const auto none = find_target("h1000");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_THAT(none.error().hint, HasSubstr("h100"));
}

TEST(TargetTest, WhatIsNoTargetFileIsNotReadToItsEnd) {
  EXPECT_THAT(find_target("/dev/zero").error().message, HasSubstr("expected a regular file, found a device"));
  EXPECT_THAT(find_target(testing::TempDir()).error().message, HasSubstr("found a directory"));
  const std::string path = testing::TempDir() + "/too-large.txt";
  std::ofstream(path) << std::string(2 << 20, '#');
  EXPECT_THAT(find_target(path).error().message, HasSubstr("larger than 1048576 bytes"));
}

}  // namespace
}  // namespace adder::ahead
