#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/testing.h"

namespace adder::tokenizer {
namespace {

namespace fs = std::filesystem;
using adder::testing::read_file;
using nlohmann::json;
using ::testing::HasSubstr;

const fs::path kModel = fs::path(ADDER_SOURCE_DIR) / "models" / "austen-3.6m";

class AustenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Tokenizer::open(kModel);
    ASSERT_TRUE(opened) << opened.error().to_string();
    tokenizer_.emplace(*std::move(opened));
  }
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(AustenTest, EncodesThePromptAsTheOracleDid) {
  const json expected = json::parse(read_file(kModel / "expected.json"));
  const auto ids = tokenizer_->encode(expected["prompt"].get<std::string>());
  ASSERT_TRUE(ids) << ids.error().to_string();
  EXPECT_EQ(*ids, expected["prompt_ids"].get<std::vector<std::int32_t>>());
}

TEST_F(AustenTest, DecodesTheGreedyTokens) {
  const json expected = json::parse(read_file(kModel / "expected.json"));
  const auto text = tokenizer_->decode(expected["greedy_tokens"].get<std::vector<std::int32_t>>());
  ASSERT_TRUE(text) << text.error().to_string();
  EXPECT_EQ(*text, expected["greedy_text"].get<std::string>());
}

TEST_F(AustenTest, HeldOutTextSurvivesTheRoundTrip) {
  const json expected = json::parse(read_file(kModel / "expected.json"));
  const std::string text = read_file(kModel / "heldout.txt");
  const auto ids = tokenizer_->encode(text, AddSpecial::no);
  ASSERT_TRUE(ids) << ids.error().to_string();
  EXPECT_EQ(ids->size(), expected["tokens"].get<std::size_t>());
  EXPECT_EQ(tokenizer_->decode(*ids, SkipSpecial::no).value(), text);
}

TEST_F(AustenTest, SpecialTokens) {
  EXPECT_EQ(tokenizer_->token_id("<|endoftext|>"), 0);
  EXPECT_TRUE(tokenizer_->is_special(0));
  EXPECT_TRUE(tokenizer_->is_special(1));
  EXPECT_FALSE(tokenizer_->is_special(1021));
  EXPECT_EQ(tokenizer_->encode("<|endoftext|>It").value(), (std::vector<std::int32_t>{0, 1021}));
  const std::vector<std::int32_t> ids = {0, 1021, 0};
  EXPECT_EQ(tokenizer_->decode(ids, SkipSpecial::yes).value(), "It");
  EXPECT_EQ(tokenizer_->decode(ids, SkipSpecial::no).value(), "<|endoftext|>It<|endoftext|>");
}

TEST_F(AustenTest, VocabularyLookUps) {
  EXPECT_EQ(tokenizer_->vocab_size(), 4096u);
  EXPECT_EQ(tokenizer_->id_limit(), 4096);
  EXPECT_EQ(tokenizer_->decoding(), Decoding::byte_level);
  EXPECT_EQ(tokenizer_->token_text(284), "Ġand");
  EXPECT_EQ(tokenizer_->token_bytes(284), " and");
  EXPECT_EQ(tokenizer_->token_bytes(0), "<|endoftext|>");
  EXPECT_EQ(tokenizer_->token_id("Ġand"), 284);
  EXPECT_EQ(tokenizer_->token_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer_->token_id("\xFF"), std::nullopt);
  EXPECT_EQ(tokenizer_->token_text(4096), std::nullopt);
  EXPECT_EQ(tokenizer_->token_text(-1), std::nullopt);
  EXPECT_FALSE(tokenizer_->is_special(-1));
  EXPECT_FALSE(tokenizer_->is_special(4096));
}

TEST_F(AustenTest, EmptyTextAndOddCharactersSurvive) {
  EXPECT_TRUE(tokenizer_->encode("").value().empty());
  EXPECT_EQ(tokenizer_->decode({}).value(), "");
  using namespace std::string_literals;
  for (const std::string& text :
       {"🐍🐍 snakes 蛇"s, "a\0b"s, "\r\n\t  "s, "e\xCC\x81 \xC3\xA9"s, "\xEF\xBF\xBD"s}) {
    const auto ids = tokenizer_->encode(text);
    ASSERT_TRUE(ids) << ids.error().to_string();
    // The tokenizer normalises to NFC: e + combining acute becomes one character.
    const std::string expected = text.starts_with("e\xCC") ? "\xC3\xA9 \xC3\xA9" : text;
    EXPECT_EQ(tokenizer_->decode(*ids).value(), expected);
  }
}

TEST_F(AustenTest, InvalidUtf8IsAnErrorWithItsOffset) {
  for (const auto& [text, offset] : std::vector<std::pair<std::string, int>>{
           {"abc\xFF", 3}, {"\x80", 0}, {"é\xE2\x82", 2}, {"\xED\xA0\x80", 0}, {"ok \xC0\xAF", 3}}) {
    const auto ids = tokenizer_->encode(text);
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(ids.error().message, HasSubstr("UTF-8 at byte " + std::to_string(offset)));
  }
}

TEST_F(AustenTest, IdsOutsideTheVocabulary) {
  EXPECT_EQ(tokenizer_->decode(std::vector<std::int32_t>{1021, 999999, 365}).value(),
            tokenizer_->decode(std::vector<std::int32_t>{1021, 365}).value());
  const auto negative = tokenizer_->decode(std::vector<std::int32_t>{5, -3});
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(negative.error().message, HasSubstr("-3"));
}

TEST_F(AustenTest, IsUsableFromSeveralThreads) {
  const std::string text = read_file(kModel / "heldout.txt").substr(0, 4000);
  const auto expected = tokenizer_->encode(text).value();
  std::vector<std::vector<std::int32_t>> found(4);
  std::vector<std::thread> threads;
  for (auto& slot : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) slot = tokenizer_->encode(text).value();
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& ids : found) EXPECT_EQ(ids, expected);
}

TEST(TokenizerFile, MissingFileAndDirectoryWithout) {
  const auto missing = Tokenizer::open("/nowhere/tokenizer.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  const auto directory = Tokenizer::open(fs::path(ADDER_SOURCE_DIR) / "src");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::not_found);
  EXPECT_THAT(directory.error().message, HasSubstr("src/tokenizer.json"));
}

TEST(TokenizerFile, EveryTruncationIsAnErrorThatNamesTheFile) {
  const std::string whole = read_file(kModel / "tokenizer.json");
  ASSERT_FALSE(whole.empty());
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 23) {
    const auto opened = Tokenizer::from_json(whole.substr(0, size), "cut/tokenizer.json");
    ASSERT_FALSE(opened) << size;
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("cut/tokenizer.json"));
  }
}

TEST(TokenizerFile, HostileFilesAreErrors) {
  const std::string model = R"("model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"})";
  const std::vector<std::string> files = {
      "",
      "null",
      "[]",
      "{}",
      "\xFF\xFE",
      std::string(1 << 20, '['),
      R"({"version":"1.0","model":{"type":"None"}})",
      R"({"version":"9.9",)" + model + "}",
      R"({"version":"1.0","model":{"type":"WordLevel","vocab":{"a":-1},"unk_token":"a"}})",
      R"({"version":"1.0","model":{"type":"WordLevel","vocab":{"a":3000000000},"unk_token":"a"}})",
      R"({"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"]]}})",
      R"({"version":"1.0","pre_tokenizer":{"type":"Split","pattern":{"Regex":"(["},"behavior":"Isolated","invert":false},)" +
          model + "}",
  };
  for (const std::string& file : files) {
    const auto opened = Tokenizer::from_json(file, "hostile.json");
    ASSERT_FALSE(opened) << file.substr(0, 100);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("hostile.json: not a usable tokenizer: "));
    EXPECT_GT(opened.error().message.size(), 40u) << "the reason is missing";
  }
}

TEST(TokenizerFile, APanicInsideTheCrateIsAnError) {
  // The Strip decoder indexes before the start of a token shorter than `stop`.
  const auto opened =
      Tokenizer::from_json(R"({"version":"1.0","decoder":{"type":"Strip","content":"a","start":0,"stop":9},)"
                           R"("model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}})",
                           "panic.json");
  ASSERT_TRUE(opened) << opened.error().to_string();
  ::testing::internal::CaptureStderr();
  const auto text = opened->decode(std::vector<std::int32_t>{0});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::internal);
  EXPECT_THAT(text.error().message, HasSubstr("panic in tokenizers-"));
}

TEST(TokenizerFile, AFileThatMakesTextsGrowWithoutBoundIsRefused) {
  const auto repeat = [](const std::string& item, int times) {
    std::string list = "[" + item;
    for (int i = 1; i < times; ++i) list += "," + item;
    return list + "]";
  };
  const auto open = [](const std::string& parts) {
    return Tokenizer::from_json(
        R"({"version":"1.0",)" + parts + R"("model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}})",
        "x");
  };
  const std::string twice = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  const std::string between = R"({"type":"Replace","pattern":{"Regex":""},"content":"a"})";
  const std::string bytes = R"({"type":"ByteLevel"})";
  const std::string level =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
  for (const std::string& item : {twice, between, bytes})
    EXPECT_TRUE(
        open(R"("normalizer":{"type":"Sequence","normalizers":)" + repeat(item, 4) + "},").has_value());
  const std::string hostile[] = {
      R"("normalizer":{"type":"Sequence","normalizers":)" + repeat(twice, 40) + "},",
      R"("normalizer":{"type":"Sequence","normalizers":)" + repeat(between, 40) + "},",
      R"("normalizer":{"type":"Sequence","normalizers":)" + repeat(bytes, 40) + "},",
      R"("pre_tokenizer":{"type":"Sequence","pretokenizers":)" + repeat(level, 40) + "},",
      R"("decoder":{"type":"Sequence","decoders":)" + repeat(twice, 40) + "},"};
  for (const std::string& parts : hostile) {
    const auto opened = open(parts);
    ASSERT_FALSE(opened.has_value()) << parts;
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("times as long; expected less than 262144")) << parts;
  }
}

TEST(TokenizerFile, ATableLongerThanTheFileIsRefusedBeforeRoomIsMadeForIt) {
  const std::string table = R"({"type":"Precompiled","precompiled_charsmap":"/////wAAAAA="})";
  for (const std::string& normalizer : {table, R"({"type":"Sequence","normalizers":[)" + table + "]}"}) {
    const auto opened =
        Tokenizer::from_json(R"({"version":"1.0","normalizer":)" + normalizer +
                                 R"(,"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}})",
                             "x");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message,
                HasSubstr("a table of 4294967295 bytes; expected at most the 9 that"));
  }
}

TEST(TokenizerFile, PaddingAndTruncationAreIgnored) {
  const auto opened = Tokenizer::from_json(
      R"({"version":"1.0","truncation":{"direction":"Right","max_length":1,"strategy":"LongestFirst","stride":0},)"
      R"("padding":{"strategy":{"Fixed":1000000000000},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,)"
      R"("pad_type_id":0,"pad_token":"a"},"pre_tokenizer":{"type":"Whitespace"},)"
      R"("model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"a"}})",
      "padded.json");
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(opened->encode("b a b").value(), (std::vector<std::int32_t>{1, 0, 1}));
}

TEST(TokenizerFile, ThePostProcessorRunsOnlyWhenAsked) {
  const auto opened = Tokenizer::from_json(
      R"({"version":"1.0","post_processor":{"type":"TemplateProcessing","single":[)"
      R"({"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[)"
      R"({"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],)"
      R"("special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},)"
      R"("model":{"type":"WordLevel","vocab":{"a":0,"<s>":1},"unk_token":"a"}})",
      "bos.json");
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_EQ(opened->encode("a", AddSpecial::yes).value(), (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(opened->encode("a", AddSpecial::no).value(), (std::vector<std::int32_t>{0}));
  EXPECT_EQ(opened->encode("", AddSpecial::yes).value(), (std::vector<std::int32_t>{1}));
}

}  // namespace
}  // namespace adder::tokenizer
