#include <fmt/format.h>

#include <charconv>

#include "checkpoint/fields.h"
#include "checkpoint/gguf_model.h"

namespace adder::checkpoint {
namespace {

constexpr std::int64_t kMaxSize = 1 << 20, kMaxLayers = 1 << 12, kMaxVocab = 1 << 26, kMaxConv = 64;
constexpr std::int64_t kUnusedToken = 5;

// All keys as one JSON object, long arrays cut short, for Fields to read from.
Json keys_as_json(const GgufContent& content) {
  Json json = Json::object();
  for (const auto& [key, value] : content.metadata()) json[key] = to_json(value);
  return json;
}

// The number that was meant by a float32: 1e-5 rather than 9.99999974737875e-06, as config.json would have
// it.
double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  const std::string digits = fmt::format("{}", narrow);
  double meant = value;
  std::from_chars(digits.data(), digits.data() + digits.size(), meant);
  return meant;
}

std::int64_t require(Fields& fields, std::string_view key, std::int64_t low, std::int64_t high,
                     std::vector<std::string>& problems) {
  if (!fields.has(key)) problems.push_back(fmt::format("{}: expected a whole number, found nothing", key));
  return fields.integer(key, low, high).value_or(0);
}

const GgufTensor* find_tensor(const GgufContent& content, std::string_view name) {
  for (const GgufTensor& t : content.tensors)
    if (t.name == name) return &t;
  return nullptr;
}

std::optional<std::int64_t> count_tokens(const GgufContent& content) {
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

void read_vocabulary_size(const GgufContent& content, Fields& fields, ModelConfig& c,
                          std::vector<std::string>& problems) {
  const GgufTensor* embedding = find_tensor(content, "token_embd.weight");
  const std::optional<std::int64_t> stated = fields.integer("mamba2.vocab_size", 1, kMaxVocab);
  c.vocab_size = count_tokens(content).value_or(stated.value_or(0));
  if (embedding != nullptr && embedding->dims.size() == 2) {
    c.padded_vocab_size = embedding->dims[0];
    if (c.vocab_size == 0) c.vocab_size = c.padded_vocab_size;
    // A vocabulary may be listed in full beside a model that has rows only for a part of it.
    if (c.vocab_size > c.padded_vocab_size)
      problems.push_back(
          fmt::format("tensor \"token_embd.weight\": expected a row for each of {} tokens, found {}",
                      c.vocab_size, c.padded_vocab_size));
  } else {
    c.padded_vocab_size = c.vocab_size;
    if (c.vocab_size == 0)
      problems.push_back("tensor \"token_embd.weight\": expected two dimensions, found no such tensor");
  }
}

}  // namespace

Status check_gguf_architecture(const GgufContent& content, std::string_view origin) {
  const GgufValue* value = content.find("general.architecture");
  if (value == nullptr)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: key \"general.architecture\": expected \"mamba2\", found nothing", origin));
  const Json json = to_json(*value);
  if (!json.is_string())
    return fail(
        ErrorCode::corrupt,
        fmt::format("{}: key \"general.architecture\": expected a string, found {}", origin, describe(json)));
  const auto& architecture = json.get_ref<const std::string&>();
  if (architecture == "mamba2") return {};
  const std::string what =
      architecture == "mamba" ? "this is a Mamba-1 model" : "this is another architecture";
  return fail(ErrorCode::unsupported,
              fmt::format("{}: key \"general.architecture\": expected \"mamba2\", found {}: {}", origin,
                          in_quotes(architecture), what),
              "Adder runs pure Mamba-2 language models");
}

Result<ModelConfig> gguf_config(const GgufContent& content, std::string_view origin) {
  const Json json = keys_as_json(content);
  std::vector<std::string> problems;
  Fields fields(json, "", problems);
  const auto size = [&](std::string_view key, std::int64_t low, std::int64_t high) {
    return require(fields, key, low, high, problems);
  };
  ModelConfig c;
  c.dialect = Dialect::gguf;
  c.d_model = size("mamba2.embedding_length", 1, kMaxSize);
  c.n_layer = size("mamba2.block_count", 1, kMaxLayers);
  c.d_conv = size("mamba2.ssm.conv_kernel", 2, kMaxConv);
  c.d_inner = size("mamba2.ssm.inner_size", 1, kMaxSize * 8);
  c.d_state = size("mamba2.ssm.state_size", 1, kMaxSize);
  c.n_heads = size("mamba2.ssm.time_step_rank", 1, kMaxSize);
  c.n_groups = fields.integer("mamba2.ssm.group_count", 1, kMaxSize).value_or(1);
  c.norm_eps = shortest(fields.number("mamba2.attention.layer_norm_rms_epsilon", 1e-30, 1).value_or(1e-5));
  if (c.n_heads > 0) c.head_dim = c.d_inner / c.n_heads;
  read_vocabulary_size(content, fields, c, problems);
  c.tie_embeddings = find_tensor(content, "output.weight") == nullptr;
  c.bos_token_id = fields.token("tokenizer.ggml.bos_token_id");
  c.pad_token_id = fields.token("tokenizer.ggml.padding_token_id");
  c.eos_token_ids = fields.tokens("tokenizer.ggml.eos_token_id");
  // The tensors decide: the format has no keys for these.
  c.defaulted = {Field::use_bias, Field::use_conv_bias, Field::gated_norm};
  if (!problems.empty()) return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
  ADDER_CHECK(validate(c, origin));
  return c;
}

Result<std::optional<Vocabulary>> gguf_vocabulary(const GgufContent& content, std::string_view origin) {
  const Json json = keys_as_json(content);
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

}  // namespace adder::checkpoint
