#include "tokenizer/vocabulary_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/testing.h"

namespace adder::tokenizer {
namespace {

using adder::testing::read_file;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

const std::filesystem::path kModel = std::filesystem::path(ADDER_SOURCE_DIR) / "models" / "austen-3.6m";

// The embedded model's tokenizer.json as llama.cpp's converter would put it into a GGUF file.
Vocabulary austen() {
  const json tokenizer = json::parse(read_file(kModel / "tokenizer.json"));
  Vocabulary v;
  v.model = "gpt2";
  v.pre = "olmo";
  const json& vocab = tokenizer["model"]["vocab"];
  v.tokens.resize(vocab.size() + 2);
  v.types.assign(v.tokens.size(), 5);
  for (const auto& [token, id] : vocab.items()) {
    v.tokens[id.get<std::size_t>()] = token;
    v.types[id.get<std::size_t>()] = 1;
  }
  for (const json& added : tokenizer["added_tokens"])
    v.types[added["id"].get<std::size_t>()] = added["special"].get<bool>() ? 3 : 4;
  for (std::size_t id = vocab.size(); id < v.tokens.size(); ++id)
    v.tokens[id] = "[PAD" + std::to_string(id) + "]";
  for (const json& merge : tokenizer["model"]["merges"])
    v.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  return v;
}

// Letters a, b, their merge, a digit pair and one special token; "Ġ" is a space.
Vocabulary tiny(std::string pre = "gpt-2") {
  Vocabulary v;
  v.model = "gpt2";
  v.pre = std::move(pre);
  v.tokens = {"<s>", "a", "b", "ab", "\u0120", "1", "2", "12", "<tool>", "</s>", "[PAD]"};
  v.types = {3, 1, 1, 1, 1, 1, 1, 1, 4, 3, 5};
  v.merges = {"a b", "1 2"};
  v.bos_id = 0;
  v.eos_id = 9;
  return v;
}

Tokenizer open(const Vocabulary& v) {
  auto opened = tokenizer_from_vocabulary(v, "m.gguf");
  if (!opened) throw std::runtime_error(opened.error().to_string());
  return *std::move(opened);
}

TEST(VocabularyJsonTest, SaysWhatTheOriginalSays) {
  const Tokenizer original = Tokenizer::open(kModel).value(), converted = open(austen());
  const std::string text = read_file(kModel / "heldout.txt");
  const Ids expected = original.encode(text).value();
  EXPECT_EQ(converted.encode(text).value(), expected);
  EXPECT_EQ(converted.decode(expected).value(), text);
  // NFC, contractions, runs of spaces, digits, a special token, characters beyond the vocabulary's training.
  for (const char* hard :
       {"e\u0301 don't  we'll \n\n 12345 <|endoftext|>x", "\u65e5\u672c\u8a9e \U0001F600 --- ''", ""})
    EXPECT_EQ(converted.encode(hard).value(), original.encode(hard).value()) << hard;
  EXPECT_EQ(converted.vocab_size(), original.vocab_size());
  for (std::int32_t id = 0; id < original.id_limit(); ++id)
    EXPECT_EQ(converted.is_special(id), original.is_special(id)) << id;
}

TEST(VocabularyJsonTest, TokenTypes) {
  const Tokenizer t = open(tiny());
  EXPECT_THAT(t.encode("ab<tool>b").value(), ElementsAre(3, 8, 2));
  EXPECT_THAT(t.encode("<s>a").value(), ElementsAre(0, 1));
  EXPECT_EQ(t.decode(Ids{0, 3, 8}).value(), "ab<tool>");
  EXPECT_FALSE(t.token_id("[PAD]"));
  EXPECT_TRUE(t.is_special(9));
  EXPECT_FALSE(t.is_special(8));
}

TEST(VocabularyJsonTest, BeginningAndEndOfSequence) {
  Vocabulary v = tiny();
  v.add_bos = true;
  EXPECT_THAT(open(v).encode("ab").value(), ElementsAre(0, 3));
  EXPECT_THAT(open(v).encode("ab", AddSpecial::no).value(), ElementsAre(3));
  v.add_eos = true;
  EXPECT_THAT(open(v).encode("ab").value(), ElementsAre(0, 3, 9));
  v.eos_id = 11;
  EXPECT_THAT(tokenizer_from_vocabulary(v, "m.gguf").error().message,
              AllOf(HasSubstr("m.gguf"), HasSubstr("eos_token_id: expected an id below 11, found 11")));
}

TEST(VocabularyJsonTest, SplittersDiffer) {
  EXPECT_THAT(open(tiny("gpt-2")).encode("a12").value(), ElementsAre(1, 7));
  EXPECT_THAT(open(tiny("")).encode("a12").value(), ElementsAre(1, 7));
  EXPECT_THAT(open(tiny("starcoder")).encode("a12").value(), ElementsAre(1, 5, 6));
  EXPECT_THAT(open(tiny("qwen2")).encode("a12").value(), ElementsAre(1, 5, 6));
  EXPECT_THAT(open(tiny("llama-bpe")).encode("a12").value(), ElementsAre(1, 7));
}

TEST(VocabularyJsonTest, AWholeTokenizerJsonWins) {
  Vocabulary v;
  v.model = "whatever";
  v.hugging_face_json = read_file(kModel / "tokenizer.json");
  EXPECT_EQ(open(v).vocab_size(), Tokenizer::open(kModel)->vocab_size());
}

TEST(VocabularyJsonTest, OthersAreRefusedByName) {
  const auto refused = [](const Vocabulary& v) {
    const auto opened = tokenizer_from_vocabulary(v, "m.gguf");
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  };
  Vocabulary v = tiny("viking");
  EXPECT_EQ(refused(v).code, ErrorCode::unsupported);
  EXPECT_THAT(refused(v).message,
              AllOf(HasSubstr("tokenizer.ggml.pre"), HasSubstr("\"viking\""), HasSubstr("olmo")));
  EXPECT_THAT(refused(v).hint, HasSubstr("--tokenizer"));
  v = tiny();
  v.model = "llama";
  EXPECT_EQ(refused(v).code, ErrorCode::unsupported);
  v = tiny();
  v.tokens[1] = "\xff";
  EXPECT_THAT(refused(v).message, HasSubstr("token 1: expected UTF-8"));
  v = tiny();
  v.tokens[2] = "a";
  EXPECT_THAT(refused(v).message, HasSubstr("tokens 1 and 2 are both \"a\""));
  v = tiny();
  v.types.pop_back();
  EXPECT_THAT(refused(v).message, HasSubstr("a type for each of 11 tokens, found 10"));
  for (const char* merge : {"", "ab", "a ", " "}) {
    v = tiny();
    v.merges[1] = merge;
    EXPECT_THAT(refused(v).message, HasSubstr("merge 1: expected two tokens")) << merge;
  }
  v = tiny();
  v.merges[0] = "a z";
  EXPECT_EQ(refused(v).code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace adder::tokenizer
