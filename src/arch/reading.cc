#include "arch/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "arch/quantization_config.h"

namespace adder::arch {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
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

void read_gguf_vocabulary(Config& c, Fields& keys, Findings& findings, const std::string& prefix,
                          const Source& source) {
  const std::optional<std::int64_t> stated = keys.integer(prefix + ".vocab_size", 1, kMaxVocab);
  c.vocab_size = source.listed_tokens.value_or(stated.value_or(0));
  if (const auto rows = source.stored->dim("token_embd.weight", 2, 0)) {
    c.padded_vocab_size = *rows;
    if (c.vocab_size == 0) c.vocab_size = c.padded_vocab_size;
    // A vocabulary may be listed in full beside a model that has rows only for a part of it.
    if (c.vocab_size > c.padded_vocab_size)
      findings.problems.push_back(
          fmt::format("tensor \"token_embd.weight\": expected a row for each of {} tokens, found {}",
                      c.vocab_size, c.padded_vocab_size));
    return;
  }
  c.padded_vocab_size = c.vocab_size;
  if (c.vocab_size == 0)
    findings.problems.push_back(
        "tensor \"token_embd.weight\": expected two dimensions, found no such tensor");
}

OrderedJson token_list(const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? OrderedJson(ids.front()) : OrderedJson(ids);
}

OrderedJson token(const std::optional<std::int64_t>& id) {
  return id ? OrderedJson(*id) : OrderedJson(nullptr);
}

}  // namespace

Status Findings::status(std::string_view origin) const {
  if (!problems.empty()) return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
  if (!variants.empty())
    return fail(ErrorCode::unsupported, join_problems(origin, "unsupported settings", variants));
  return {};
}

std::int64_t require(Fields& fields, Findings& findings, std::string_view name, std::int64_t high,
                     std::int64_t low) {
  if (!fields.has(name))
    findings.problems.push_back(fmt::format("{}: expected a whole number, found nothing", name));
  return fields.integer(name, low, high).value_or(0);
}

void check_range(Findings& findings, std::string_view what, std::int64_t value, std::int64_t low,
                 std::int64_t high) {
  if (value < low || value > high)
    findings.problems.push_back(
        fmt::format("{}: expected a whole number from {} to {}, found {}", what, low, high, value));
}

void check_common_sizes(const Config& c, Findings& findings) {
  check_range(findings, "model width", c.d_model, 1, kMaxSize);
  check_range(findings, "layers", c.n_layer, 1, kMaxLayers);
  check_range(findings, "vocabulary", c.vocab_size, 1, kMaxVocab);
  check_range(findings, "padded vocabulary", c.padded_vocab_size, c.vocab_size, kMaxVocab + kMaxSize);
}

void read_common(Config& c, Fields& top, Findings& findings) {
  c.eos_token_ids = top.tokens("eos_token_id");
  c.bos_token_id = top.token("bos_token_id");
  c.pad_token_id = top.token("pad_token_id");
  check_quantization(top, findings.problems, findings.variants);
  c.residual_in_fp32 = top.boolean("residual_in_fp32").value_or(true);
  const std::int64_t fallback = c.dialect == Dialect::mamba_ssm ? 8 : 1;
  const auto multiple = top.integer("pad_vocab_size_multiple", 1, kMaxSize).value_or(fallback);
  c.vocab_size = require(top, findings, "vocab_size", kMaxVocab);
  c.padded_vocab_size = round_up(c.vocab_size, multiple);
}

void read_hugging_face_common(Config& c, Fields& top, Findings& findings) {
  c.d_model = require(top, findings, "hidden_size", kMaxSize);
  c.n_layer = require(top, findings, "num_hidden_layers", kMaxLayers);
  c.norm_eps = top.number("layer_norm_epsilon", 1e-30, 1).value_or(1e-5);
  const std::int64_t rows = std::max<std::int64_t>(1, c.vocab_size);
  if (const auto unpadded = top.integer("unpadded_vocab_size", 1, rows)) c.vocab_size = *unpadded;
  read_activation(top, findings, "hidden_act");
}

void read_mamba_ssm_common(Config& c, Fields& top, Findings& findings) {
  if (const Json* cfg = top.raw("ssm_cfg"); cfg != nullptr && !cfg->is_object())
    top.expected("ssm_cfg", "an object", *cfg);
  c.d_model = require(top, findings, "d_model", kMaxSize);
  c.n_layer = require(top, findings, "n_layer", kMaxLayers);
  c.norm_eps = top.number("norm_epsilon", 1e-30, 1).value_or(1e-5);
  refuse_layer_norm(top, findings);
  findings.unsupported(top.integer("d_intermediate", 0, kMaxSize).value_or(0) > 0,
                       "d_intermediate: layers with an MLP");
}

std::int64_t expanded_width(double expand, std::int64_t d_model, Findings& findings) {
  const double inner = expand * static_cast<double>(d_model);
  const std::int64_t whole = std::llround(inner);
  // A quotient such as 100/49 comes back only to within rounding.
  if (whole >= 1 && std::fabs(static_cast<double>(whole) - inner) <= 1e-9 * inner) return whole;
  if (d_model > 0)  // else that was complained about
    findings.problems.push_back(
        fmt::format("expand {} times the model width {} is not a whole number", expand, d_model));
  return 0;
}

void read_activation(Fields& fields, Findings& findings, std::string_view name) {
  const std::string act = fields.text(name).value_or("silu");
  findings.unsupported(act != "silu" && act != "swish",
                       fmt::format("{}: expected \"silu\", found {}", name, in_quotes(act)));
}

void refuse_layer_norm(Fields& top, Findings& findings) {
  findings.unsupported(!top.boolean("rms_norm").value_or(true),
                       "rms_norm false: blocks normalised by LayerNorm");
}

void read_gguf_common(Config& c, Fields& keys, Findings& findings, const std::string& prefix,
                      const Source& source) {
  c.dialect = Dialect::gguf;
  c.d_model = require(keys, findings, prefix + ".embedding_length", kMaxSize);
  c.n_layer = require(keys, findings, prefix + ".block_count", kMaxLayers);
  c.norm_eps = shortest(keys.number(prefix + ".attention.layer_norm_rms_epsilon", 1e-30, 1).value_or(1e-5));
  read_gguf_vocabulary(c, keys, findings, prefix, source);
  c.tie_embeddings = !source.stored->has("output.weight");
  c.bos_token_id = keys.token("tokenizer.ggml.bos_token_id");
  c.pad_token_id = keys.token("tokenizer.ggml.padding_token_id");
  c.eos_token_ids = keys.tokens("tokenizer.ggml.eos_token_id");
}

OrderedJson common_hugging_face(const Config& c, const char* model_class, const char* model_type) {
  OrderedJson json{{"architectures", {model_class}},
                   {"model_type", model_type},
                   {"hidden_size", c.d_model},
                   {"num_hidden_layers", c.n_layer},
                   {"vocab_size", c.padded_vocab_size},
                   {"layer_norm_epsilon", c.norm_eps},
                   {"hidden_act", "silu"},
                   {"residual_in_fp32", c.residual_in_fp32},
                   {"tie_word_embeddings", c.tie_embeddings},
                   {"bos_token_id", token(c.bos_token_id)},
                   {"eos_token_id", token_list(c.eos_token_ids)},
                   {"pad_token_id", token(c.pad_token_id)}};
  if (c.vocab_size != c.padded_vocab_size) json["unpadded_vocab_size"] = c.vocab_size;
  return json;
}

OrderedJson extended_number(double value) {
  if (std::isinf(value)) return "@infinity@";
  return value;
}

bool names_any(const Json& object, const char* key, std::initializer_list<std::string_view> words) {
  const auto it = object.find(key);
  if (it == object.end()) return false;
  const auto is_one = [&](const Json& value) {
    return value.is_string() &&
           std::find(words.begin(), words.end(), value.get_ref<const std::string&>()) != words.end();
  };
  if (!it->is_array()) return is_one(*it);
  return std::any_of(it->begin(), it->end(), is_one);
}

bool has_any(const Json& object, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return object.contains(key); });
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

const Json& ssm_cfg(const Json& object) {
  static const Json kEmpty = Json::object();
  const auto it = object.find("ssm_cfg");
  return it != object.end() && it->is_object() ? *it : kEmpty;
}

const Dims* stored_dims(const Stored& stored, const TensorField& field) {
  if (const Dims* dims = stored.dims(field.name)) return dims;
  for (const std::string& alias : field.aliases)
    if (const Dims* dims = stored.dims(alias)) return dims;
  return field.gguf.empty() ? nullptr : stored.dims(field.gguf);
}

const Dims* stored_dims(const Stored& stored, const std::vector<TensorField>& tensors,
                        std::string_view local) {
  for (const TensorField& field : tensors)
    if (field.local == local)
      if (const Dims* dims = stored_dims(stored, field)) return dims;
  return nullptr;
}

std::optional<std::int64_t> stored_dim(const Stored& stored, const std::vector<TensorField>& tensors,
                                       std::string_view local, std::size_t rank, std::size_t axis) {
  const Dims* dims = stored_dims(stored, tensors, local);
  if (dims == nullptr || dims->size() != rank || (*dims)[axis] <= 0) return std::nullopt;
  return (*dims)[axis];
}

}  // namespace adder::arch
