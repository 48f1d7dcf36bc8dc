#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tokenizer/utf8_stream.h"

namespace adder::tokenizer {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

Tokenizer austen() { return Tokenizer::open(ADDER_SOURCE_DIR "/models/austen-3.6m").value(); }

/// A tokenizer whose vocabulary is `tokens` in id order and whose decoder is `decoder` (JSON).
Tokenizer words(const std::vector<std::string>& tokens, const json& decoder) {
  json vocab = json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
  const json file = {{"version", "1.0"},
                     {"added_tokens",
                      {{{"id", 0},
                        {"content", tokens[0]},
                        {"single_word", false},
                        {"lstrip", false},
                        {"rstrip", false},
                        {"normalized", false},
                        {"special", true}}}},
                     {"decoder", decoder},
                     {"model", {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", tokens[0]}}}};
  return Tokenizer::from_json(file.dump(), "words").value();
}

json llama_decoder() {
  return {{"type", "Sequence"},
          {"decoders",
           {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
            {{"type", "ByteFallback"}},
            {{"type", "Fuse"}},
            {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
}

std::vector<std::string> sentence_piece_vocab() {
  std::vector<std::string> tokens = {"<s>", "▁", "▁▁", "▁a", "b", "▁the", "é", "\xEF\xBF\xBD", "<0xZZ>"};
  for (const char* hex : {"0A", "41", "E2", "82", "AC", "F0", "9F", "90", "8D", "C3", "FF"}) {
    tokens.push_back(std::string("<0x") + hex + ">");
  }
  return tokens;
}

struct Case {
  std::string name;
  Tokenizer tokenizer;
};

std::vector<Case> cases() {
  const std::vector<std::string> plain = {"<s>", "▁a", "▁", "b", "##c", "d</w>", "▁e▁", ".", "é", "▁🐍"};
  std::vector<Case> all;
  all.push_back({"byte level", austen()});
  all.push_back({"byte fallback", words(sentence_piece_vocab(), llama_decoder())});
  all.push_back(
      {"metaspace",
       words(plain,
             {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}, {"split", true}})});
  all.push_back({"word piece", words(plain, {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}})});
  all.push_back({"bpe suffix", words(plain, {{"type", "BPEDecoder"}, {"suffix", "</w>"}})});
  all.push_back(
      {"strip three", words(plain, {{"type", "Sequence"},
                                    {"decoders",
                                     {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                                      {{"type", "Fuse"}},
                                      {{"type", "Strip"}, {"content", " "}, {"start", 3}, {"stop", 0}}}}})});
  all.push_back(
      {"ctc",
       words(plain,
             {{"type", "CTC"}, {"pad_token", "b"}, {"word_delimiter_token", "|"}, {"cleanup", false}})});
  // Byte-level text that a further decoder works on; the tokens are F0, 9F90, 8D, 8DF0, a, C3, A9.
  all.push_back({"byte level inside",
                 words({"<s>", "ð", "ŁĲ", "į", "įð", "a", "Ã", "©"},
                       {{"type", "Sequence"},
                        {"decoders",
                         {{{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}},
                          {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}}}}})});
  all.push_back({"joined by spaces", words(plain, nullptr)});
  return all;
}

/// Pushes ids in pieces of one to three; every piece must be valid UTF-8.
std::string stream(StreamDecoder& decoder, std::span<const std::int32_t> ids, std::mt19937& random) {
  std::string out;
  for (std::size_t i = 0; i < ids.size();) {
    const std::size_t n = std::min<std::size_t>(ids.size() - i, 1 + random() % 3);
    const auto text = decoder.push(ids.subspan(i, n));
    EXPECT_TRUE(text) << text.error().to_string();
    EXPECT_EQ(find_invalid_utf8(*text), std::string_view::npos);
    out += *text;
    i += n;
  }
  const auto rest = decoder.finish();
  EXPECT_TRUE(rest) << rest.error().to_string();
  EXPECT_EQ(find_invalid_utf8(*rest), std::string_view::npos);
  return out + *rest;
}

/// Mostly ids with short or partial bytes, which are the low ones.
Ids random_ids(std::mt19937& random, std::int32_t limit) {
  Ids ids(random() % 40);
  for (auto& id : ids)
    id = static_cast<std::int32_t>(random() % (random() % 3 == 0 ? limit + 4 : std::min(limit, 260)));
  return ids;
}

TEST(StreamDecoder, PiecesTogetherAreTheDecodeOfAll) {
  std::mt19937 random(20240613);
  for (const auto& [name, tokenizer] : cases()) {
    for (const SkipSpecial skip : {SkipSpecial::yes, SkipSpecial::no}) {
      StreamDecoder decoder(tokenizer, skip);
      for (int round = 0; round < 1500; ++round) {
        const Ids ids = random_ids(random, tokenizer.id_limit());
        ASSERT_EQ(stream(decoder, ids, random), tokenizer.decode(ids, skip).value())
            << name << ", round " << round << ": " << ::testing::PrintToString(ids);
      }
    }
  }
}

TEST(StreamDecoder, LongSequencesToo) {
  std::mt19937 random(3);
  for (const auto& [name, tokenizer] : cases()) {
    Ids ids(4000);
    for (auto& id : ids) id = static_cast<std::int32_t>(random() % std::min(tokenizer.id_limit(), 300));
    StreamDecoder decoder(tokenizer);
    ASSERT_EQ(stream(decoder, ids, random), tokenizer.decode(ids).value()) << name;
  }
}

TEST(StreamDecoder, ContinuesAPrompt) {
  std::mt19937 random(7);
  const Tokenizer tokenizer =
      words({"<s>", "▁a", "▁", "b", "▁🐍", "é"},
            {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}, {"split", true}});
  for (int round = 0; round < 500; ++round) {
    Ids all = random_ids(random, tokenizer.id_limit());
    const std::size_t cut = all.empty() ? 0 : random() % all.size();
    const std::span<const std::int32_t> prompt = std::span(all).first(cut);
    StreamDecoder decoder(tokenizer);
    ASSERT_TRUE(decoder.prime(prompt));
    const std::string text = stream(decoder, std::span(all).subspan(cut), random);
    ASSERT_EQ(tokenizer.decode(prompt).value() + text, tokenizer.decode(all).value());
  }
}

TEST(StreamDecoder, PrimedWithHalfACharacterItFinishesIt) {
  const Tokenizer tokenizer = austen();
  const Ids snake = tokenizer.encode("🐍").value();
  ASSERT_GT(snake.size(), 1u) << "the test wants a character split over tokens";
  StreamDecoder decoder(tokenizer);
  ASSERT_TRUE(decoder.prime(std::span(snake).first(1)));
  EXPECT_EQ(decoder.push(std::span(snake).subspan(1)).value(), "🐍");
  EXPECT_EQ(decoder.finish().value(), "");
}

TEST(StreamDecoder, ByteFallbackAfterAPromptThatEndsInABytes) {
  const Tokenizer tokenizer = words(sentence_piece_vocab(), llama_decoder());
  const Ids prompt = {5, 9};  // "▁the", newline
  StreamDecoder decoder(tokenizer);
  ASSERT_TRUE(decoder.prime(prompt));
  EXPECT_EQ(decoder.push(3).value(), " a");
}

TEST(StreamDecoder, TextComesAsSoonAsItIsCertain) {
  const Tokenizer tokenizer = austen();
  StreamDecoder decoder(tokenizer);
  const Ids snake = tokenizer.encode("a🐍!").value();
  EXPECT_EQ(decoder.push(snake.front()).value(), "a");
  for (std::size_t i = 1; i + 2 < snake.size(); ++i) EXPECT_EQ(decoder.push(snake[i]).value(), "");
  EXPECT_EQ(decoder.push(snake[snake.size() - 2]).value(), "🐍");
  EXPECT_EQ(decoder.push(snake.back()).value(), "!");

  const Tokenizer pieces = words(sentence_piece_vocab(), llama_decoder());
  StreamDecoder held(pieces);
  EXPECT_EQ(held.push(3).value(), "a");
  for (const std::int32_t byte : {14, 15, 16, 17}) EXPECT_EQ(held.push(byte).value(), "");  // F0 9F 90 8D
  EXPECT_EQ(held.push(4).value(), "🐍b");
}

TEST(StreamDecoder, UnfinishedBytesBecomeOneReplacementAndTheDecoderStartsAfresh) {
  const Tokenizer tokenizer = austen();
  const Ids snake = tokenizer.encode("🐍").value();
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(snake.front()).value(), "");
  EXPECT_EQ(decoder.finish().value(), kReplacement);
  EXPECT_EQ(decoder.finish().value(), "");
  EXPECT_EQ(decoder.push(snake).value(), "🐍");
}

TEST(StreamDecoder, SpecialAndUnknownIdsAddNothing) {
  const Tokenizer tokenizer = austen();
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0).value(), "");
  EXPECT_EQ(decoder.push(5000).value(), "");
  const auto negative = decoder.push(-1);
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().code, ErrorCode::invalid_argument);
  StreamDecoder shown(tokenizer, SkipSpecial::no);
  EXPECT_EQ(shown.push(0).value(), "<|endoftext|>");
}

TEST(Utf8Stream, AnyCutGivesTheSameText) {
  std::mt19937 random(99);
  const Tokenizer bytes = austen();
  for (int round = 0; round < 3000; ++round) {
    std::string input;
    for (int i = 0; i < 12; ++i) {
      constexpr std::string_view kInteresting =
          "a\x80\x8D\x90\x9F\xA0\xBF\xC0\xC3\xE0\xE2\xED\xEF\xF0\xF4\xF5\xFF";
      input += kInteresting[random() % kInteresting.size()];
    }
    std::string whole, pieces;
    Utf8Stream one, many;
    one.push(input, whole);
    one.finish(whole);
    for (std::size_t i = 0; i < input.size(); ++i) {
      many.push(std::string_view(input).substr(i, 1), pieces);
      ASSERT_EQ(find_invalid_utf8(pieces), std::string_view::npos);
    }
    many.finish(pieces);
    ASSERT_EQ(pieces, whole);
    ASSERT_EQ(find_invalid_utf8(input) == std::string_view::npos, whole == input);
  }
}

}  // namespace
}  // namespace adder::tokenizer
