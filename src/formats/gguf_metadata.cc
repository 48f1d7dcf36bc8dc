#include <fmt/format.h>

#include "base/fields.h"
#include "formats/gguf_file.h"

namespace adder::formats {
namespace {

constexpr std::uint64_t kMaxVocab = 1 << 26;
constexpr std::int64_t kUnusedToken = 5;

}  // namespace

Json gguf_keys(const GgufContent& content) {
  Json json = Json::object();
  for (const auto& [key, value] : content.metadata()) json[key] = to_json(value);
  return json;
}

std::optional<std::int64_t> gguf_listed_tokens(const GgufContent& content) {
  const GgufValue* tokens = content.find("tokenizer.ggml.tokens");
  if (tokens == nullptr || !tokens->is_array || tokens->count == 0 || tokens->count > kMaxVocab)
    return std::nullopt;
  auto count = static_cast<std::int64_t>(tokens->count);
  const GgufValue* types = content.find("tokenizer.ggml.token_type");
  const auto list = types != nullptr ? integer_list(*types) : std::nullopt;
  if (list && list->size() == tokens->count)
    while (count > 1 && (*list)[static_cast<std::size_t>(count - 1)] == kUnusedToken) --count;
  return count;
}

Result<std::optional<Vocabulary>> gguf_vocabulary(const GgufContent& content, std::string_view origin) {
  const Json json = gguf_keys(content);
  std::vector<std::string> problems;
  Fields fields(json, "", problems);
  Vocabulary v;
  v.model = fields.text("tokenizer.ggml.model").value_or("");
  v.pre = fields.text("tokenizer.ggml.pre").value_or("");
  v.bos_id = fields.token("tokenizer.ggml.bos_token_id");
  v.eos_id = fields.token("tokenizer.ggml.eos_token_id");
  v.add_bos = fields.boolean("tokenizer.ggml.add_bos_token").value_or(false);
  v.add_eos = fields.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  v.chat_template = fields.text("tokenizer.chat_template").value_or("");
  v.hugging_face_json = fields.text("tokenizer.huggingface.json").value_or("");
  const auto strings = [&](const char* key, std::vector<std::string>& out) {
    const GgufValue* value = content.find(key);
    if (value == nullptr) return;
    if (value->is_array && value->type == GgufType::string)
      out = string_list(*value);
    else
      fields.expected(key, "an array of strings", to_json(*value));
  };
  strings("tokenizer.ggml.tokens", v.tokens);
  strings("tokenizer.ggml.merges", v.merges);
  if (const GgufValue* types = content.find("tokenizer.ggml.token_type")) {
    auto list = integer_list(*types);
    if (!list)
      fields.expected("tokenizer.ggml.token_type", "an array of whole numbers", to_json(*types));
    else if (list->size() != v.tokens.size())
      problems.push_back(
          fmt::format("tokenizer.ggml.token_type: expected {} elements, one for each token, found {}",
                      v.tokens.size(), list->size()));
    else
      v.types = *std::move(list);
  }
  if (!problems.empty()) return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
  if (v.tokens.empty() && v.hugging_face_json.empty()) return std::optional<Vocabulary>();
  return std::optional<Vocabulary>(std::move(v));
}

}  // namespace adder::formats
