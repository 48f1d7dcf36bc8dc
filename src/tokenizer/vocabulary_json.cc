#include "tokenizer/vocabulary_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/json.h"
#include "tokenizer/utf8_stream.h"

namespace adder::tokenizer {
namespace {

enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

// How text is cut into words before the BPE.
enum class Splitter {
  gpt2,         // the regex built into the ByteLevel pre-tokenizer
  gpt2_digits,  // single digits first, then the same
  llama3,       // numbers in threes, words with one leading symbol
  qwen2,        // the same with single digits
};

struct Pre {
  std::string_view name;
  Splitter splitter;
  bool nfc = false;
  bool ignore_merges = false;
};

// Names as llama.cpp gives them (llama-vocab.cpp); the first is for files that name none.
constexpr std::array kPres = {
    Pre{"", Splitter::gpt2},
    Pre{"gpt-2", Splitter::gpt2},
    Pre{"gpt-neox", Splitter::gpt2, true},
    Pre{"mpt", Splitter::gpt2, true},
    Pre{"olmo", Splitter::gpt2, true},
    Pre{"jais", Splitter::gpt2},
    Pre{"phi-2", Splitter::gpt2},
    Pre{"starcoder", Splitter::gpt2_digits},
    Pre{"refact", Splitter::gpt2_digits},
    Pre{"command-r", Splitter::gpt2_digits},
    Pre{"smollm", Splitter::gpt2_digits},
    Pre{"codeshell", Splitter::gpt2_digits},
    Pre{"exaone", Splitter::gpt2_digits},
    Pre{"llama3", Splitter::llama3, false, true},
    Pre{"llama-v3", Splitter::llama3, false, true},
    Pre{"llama-bpe", Splitter::llama3, false, true},
    Pre{"qwen2", Splitter::qwen2, true},
};

std::string known_pres() {
  std::string names;
  for (const Pre& pre : kPres)
    if (!pre.name.empty()) names += (names.empty() ? "" : ", ") + std::string(pre.name);
  return names;
}

Result<Pre> find_pre(const Vocabulary& v, std::string_view origin) {
  const auto it = std::find_if(kPres.begin(), kPres.end(), [&](const Pre& p) { return p.name == v.pre; });
  if (it != kPres.end()) return *it;
  return fail(ErrorCode::unsupported,
              fmt::format("{}: tokenizer.ggml.pre: expected one of {}; found {}", origin, known_pres(),
                          in_quotes(v.pre)),
              "give the model's own tokenizer.json with --tokenizer");
}

Json byte_level(bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json split_then_bytes(std::string_view digits) {
  const std::string pattern = fmt::format(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*)"
      R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
      digits);
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

Json pre_tokenizer(Splitter splitter) {
  switch (splitter) {
    case Splitter::gpt2_digits:
      return {{"type", "Sequence"},
              {"pretokenizers",
               Json::array({Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)})}};
    case Splitter::llama3:
      return split_then_bytes(R"(\p{N}{1,3})");
    case Splitter::qwen2:
      return split_then_bytes(R"(\p{N})");
    case Splitter::gpt2:
      break;
  }
  return byte_level(true);
}

std::int64_t type_of(const Vocabulary& v, std::size_t id) { return v.types.empty() ? kNormal : v.types[id]; }

Status add_tokens(const Vocabulary& v, std::string_view origin, Json& json) {
  Json vocab = Json::object(), added = Json::array();
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    const std::string& token = v.tokens[id];
    const std::int64_t type = type_of(v, id);
    if (type == kUnused) continue;
    if (find_invalid_utf8(token) != std::string::npos)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: token {}: expected UTF-8, found {}", origin, id, in_quotes(token)));
    if (!vocab.emplace(token, id).second)
      return fail(ErrorCode::corrupt, fmt::format("{}: tokens {} and {} are both {}", origin,
                                                  vocab[token].get<std::size_t>(), id, in_quotes(token)));
    if (type != kControl && type != kUnknown && type != kUserDefined) continue;
    added.push_back({{"id", id},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != kUserDefined}});
  }
  json["added_tokens"] = std::move(added);
  json["model"]["vocab"] = std::move(vocab);
  return {};
}

// Merges are "left right"; a token that begins with a space itself is why the first byte does not count.
Status add_merges(const Vocabulary& v, std::string_view origin, Json& json) {
  Json merges = Json::array();
  for (std::size_t i = 0; i < v.merges.size(); ++i) {
    const std::string& merge = v.merges[i];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size() ||
        find_invalid_utf8(merge) != std::string::npos)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: merge {}: expected two tokens with a space between, found {}", origin, i,
                              in_quotes(merge)));
    merges.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  json["model"]["merges"] = std::move(merges);
  return {};
}

Result<std::optional<std::string>> token_at(const Vocabulary& v, bool wanted, std::optional<std::int64_t> id,
                                            std::string_view what, std::string_view origin) {
  if (!wanted || !id) return std::optional<std::string>();
  if (*id < 0 || static_cast<std::size_t>(*id) >= v.tokens.size())
    return fail(ErrorCode::corrupt,
                fmt::format("{}: tokenizer.ggml.{}_token_id: expected an id below {}, found {}", origin, what,
                            v.tokens.size(), *id));
  return std::optional<std::string>(v.tokens[static_cast<std::size_t>(*id)]);
}

// <bos> text <eos>, whichever of them the file asks for.
Status add_post_processor(const Vocabulary& v, std::string_view origin, Json& json) {
  ADDER_TRY(const auto bos, token_at(v, v.add_bos, v.bos_id, "bos", origin));
  ADDER_TRY(const auto eos, token_at(v, v.add_eos, v.eos_id, "eos", origin));
  if (!bos && !eos) {
    json["post_processor"] = byte_level(true);
    return {};
  }
  Json special = Json::object();
  const auto piece = [&](const std::string& token, std::int64_t id) -> Json {
    special[token] = {{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}};
    return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  };
  const auto sequence = [&](const char* name) {
    Json out = Json::array();
    if (bos) out.push_back(piece(*bos, *v.bos_id));
    out.push_back({{"Sequence", {{"id", name}, {"type_id", 0}}}});
    if (eos) out.push_back(piece(*eos, *v.eos_id));
    return out;
  };
  Json pair = sequence("A");
  for (Json& item : sequence("B")) pair.push_back(std::move(item));
  json["post_processor"] = {
      {"type", "TemplateProcessing"}, {"single", sequence("A")}, {"pair", pair}, {"special_tokens", special}};
  return {};
}

}  // namespace

Result<std::string> tokenizer_json_from_vocabulary(const Vocabulary& v, std::string_view origin) {
  if (!v.hugging_face_json.empty()) return v.hugging_face_json;
  if (v.model != "gpt2")
    return fail(ErrorCode::unsupported,
                fmt::format("{}: tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE), found {}", origin,
                            in_quotes(v.model)),
                "give the model's own tokenizer.json with --tokenizer");
  if (!v.types.empty() && v.types.size() != v.tokens.size())
    return fail(ErrorCode::corrupt, fmt::format("{}: expected a type for each of {} tokens, found {}", origin,
                                                v.tokens.size(), v.types.size()));
  ADDER_TRY(const Pre pre, find_pre(v, origin));
  Json json = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"normalizer", pre.nfc ? Json{{"type", "NFC"}} : Json()},
               {"pre_tokenizer", pre_tokenizer(pre.splitter)},
               {"decoder", byte_level(true)},
               {"model",
                {{"type", "BPE"},
                 {"dropout", nullptr},
                 {"unk_token", nullptr},
                 {"continuing_subword_prefix", nullptr},
                 {"end_of_word_suffix", nullptr},
                 {"fuse_unk", false},
                 {"byte_fallback", false},
                 {"ignore_merges", pre.ignore_merges}}}};
  ADDER_CHECK(add_tokens(v, origin, json));
  ADDER_CHECK(add_merges(v, origin, json));
  ADDER_CHECK(add_post_processor(v, origin, json));
  return json.dump();
}

Result<Tokenizer> tokenizer_from_vocabulary(const Vocabulary& v, const std::string& origin) {
  ADDER_TRY(const std::string json, tokenizer_json_from_vocabulary(v, origin));
  return Tokenizer::from_json(json, origin + " (tokenizer)");
}

}  // namespace adder::tokenizer
