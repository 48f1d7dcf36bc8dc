#include "tokenizer/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace adder::tokenizer {
namespace {

/// The definition, spelled out: for each end position, the longest stop string that ends there.
struct Naive {
  std::string text;
  std::optional<std::size_t> stopped;
};
Naive naive(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      if (!std::string_view(text).substr(0, end).ends_with(stops[i])) continue;
      if (!best || stops[i].size() > stops[*best].size()) best = i;
    }
    if (best) return {text.substr(0, end - stops[*best].size()), best};
  }
  return {text, std::nullopt};
}

std::string random_text(std::mt19937& random, std::size_t size) {
  std::string out(size, 'a');
  for (char& c : out) c = static_cast<char>('a' + random() % 2);
  return out;
}

TEST(StopMatcher, AgreesWithTheDefinitionHoweverTheTextIsCut) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops(random() % 4);
    for (auto& stop : stops) stop = random_text(random, 1 + random() % 6);
    const std::string text = random_text(random, random() % 24);
    const Naive expected = naive(text, stops);

    StopMatcher matcher = StopMatcher::create(stops).value();
    std::string out;
    std::optional<std::size_t> stopped;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t n = 1 + random() % 4;
      const auto step = matcher.feed(std::string_view(text).substr(i, n));
      out += step.emit;
      stopped = step.stopped;
      // Nothing that the stop string swallows may have been shown before it was complete.
      ASSERT_EQ(expected.text.substr(0, out.size()), out);
      i += n;
    }
    out += matcher.finish();
    ASSERT_EQ(out, expected.text) << text << " " << ::testing::PrintToString(stops);
    ASSERT_EQ(stopped, expected.stopped) << text << " " << ::testing::PrintToString(stops);
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBeAStop) {
  StopMatcher matcher = StopMatcher::create({"\n\nUser:", "###"}).value();
  EXPECT_EQ(matcher.feed("Hello\n").emit, "Hello");
  EXPECT_EQ(matcher.feed("there #").emit, "\nthere ");
  EXPECT_EQ(matcher.feed("#1").emit, "##1");
  EXPECT_EQ(matcher.feed("\n\nUse").emit, "");
  const auto last = matcher.feed("r: more");
  EXPECT_EQ(last.emit, "");
  EXPECT_EQ(last.stopped, 0u);
  EXPECT_EQ(matcher.feed("ignored").emit, "");
  EXPECT_EQ(matcher.feed("ignored").stopped, 0u);
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, TheFirstCompletedWinsAndThenTheLongest) {
  StopMatcher inner = StopMatcher::create({"abcd", "bc"}).value();
  const auto first = inner.feed("xabcd");
  EXPECT_EQ(first.emit, "xa");
  EXPECT_EQ(first.stopped, 1u);
  StopMatcher tie = StopMatcher::create({"b", "ab"}).value();
  const auto longest = tie.feed("xab");
  EXPECT_EQ(longest.emit, "x");
  EXPECT_EQ(longest.stopped, 1u);
}

TEST(StopMatcher, CutsAtCharacters) {
  StopMatcher matcher = StopMatcher::create({"€é"}).value();
  EXPECT_EQ(matcher.feed("a€").emit, "a");
  EXPECT_EQ(matcher.feed("è").emit, "€è");  // é and è share their first byte
}

TEST(StopMatcher, AnUnfinishedStopIsTextAfterAll) {
  StopMatcher matcher = StopMatcher::create({"stop"}).value();
  EXPECT_EQ(matcher.feed("st").emit, "");
  EXPECT_EQ(matcher.finish(), "st");
}

TEST(StopMatcher, RefusesEmptyAndBrokenStops) {
  for (const std::string& bad : {std::string(), std::string("a\xE2\x82")}) {
    const auto matcher = StopMatcher::create({"fine", bad});
    ASSERT_FALSE(matcher);
    EXPECT_EQ(matcher.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(matcher.error().message.find("stop string 1"), std::string::npos);
  }
  EXPECT_EQ(StopMatcher::create({}).value().feed("all").emit, "all");
}

}  // namespace
}  // namespace adder::tokenizer
