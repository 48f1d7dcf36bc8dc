#include "checkpoint/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/files.h"
#include "checkpoint/dialect.h"
#include "checkpoint/fields.h"
#include "checkpoint/quantization_config.h"

namespace adder::checkpoint {
namespace {

// Far above anything published (D 4096, L 64, V 262144), far below where a product of a few could overflow.
constexpr std::int64_t kMaxSize = 1 << 20, kMaxLayers = 1 << 12, kMaxVocab = 1 << 26, kMaxConv = 64;

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Collects what one dialect reader finds: values, which of them were defaults, and all complaints.
struct Draft {
  ModelConfig config;
  std::vector<std::string> problems;
  double expand = 2;
  std::optional<std::int64_t> stated_heads, stated_head_dim;

  template <class T, class U>
  void take(T& field, const std::optional<U>& stated, T fallback, Field which) {
    field = stated ? static_cast<T>(*stated) : fallback;
    if (!stated) config.defaulted.insert(which);
  }
  std::int64_t require(Fields& fields, std::string_view name, std::int64_t high) {
    if (!fields.has(name))
      problems.push_back(fmt::format("{}: expected a whole number, found nothing", name));
    return fields.integer(name, 1, high).value_or(0);
  }
  void unsupported(bool present, std::string what) {
    if (present) variants.push_back(std::move(what));
  }
  std::vector<std::string> variants;  // well-formed settings that Adder does not do
};

void read_common(Draft& draft, Fields& top) {
  ModelConfig& c = draft.config;
  c.eos_token_ids = top.tokens("eos_token_id");
  c.bos_token_id = top.token("bos_token_id");
  c.pad_token_id = top.token("pad_token_id");
  check_quantization(top, draft.problems, draft.variants);
  c.residual_in_fp32 = top.boolean("residual_in_fp32").value_or(true);
  const std::int64_t fallback = c.dialect == Dialect::mamba_ssm ? 8 : 1;
  const auto multiple = top.integer("pad_vocab_size_multiple", 1, kMaxSize).value_or(fallback);
  c.vocab_size = draft.require(top, "vocab_size", kMaxVocab);
  c.padded_vocab_size = round_up(c.vocab_size, multiple);
}

void read_activation(Draft& draft, Fields& fields, std::string_view name) {
  const std::string act = fields.text(name).value_or("silu");
  draft.unsupported(act != "silu" && act != "swish",
                    fmt::format("{}: expected \"silu\", found {}", name, in_quotes(act)));
}

void read_range(Draft& draft, Fields& fields, std::string_view name) {
  if (const auto limits = fields.range(name)) {
    draft.config.dt_min = limits->low;
    draft.config.dt_max = limits->high;
  }
}

void read_hugging_face(Draft& draft, const Json& json) {
  ModelConfig& c = draft.config;
  Fields top(json, "", draft.problems);
  c.d_model = draft.require(top, "hidden_size", kMaxSize);
  c.n_layer = draft.require(top, "num_hidden_layers", kMaxLayers);
  draft.take<std::int64_t>(c.d_state, top.integer("state_size", 1, kMaxSize), 128, Field::d_state);
  draft.take<std::int64_t>(c.n_groups, top.integer("n_groups", 1, kMaxSize), 8, Field::n_groups);
  draft.take<std::int64_t>(c.d_conv, top.integer("conv_kernel", 2, kMaxConv), 4, Field::d_conv);
  draft.stated_heads = top.integer("num_heads", 1, kMaxSize);
  draft.stated_head_dim = top.integer("head_dim", 1, kMaxSize);
  draft.expand = top.number("expand", 1e-3, 1e3).value_or(2);
  c.norm_eps = top.number("layer_norm_epsilon", 1e-30, 1).value_or(1e-5);
  read_range(draft, top, "time_step_limit");
  draft.take<bool>(c.use_bias, top.boolean("use_bias"), false, Field::use_bias);
  draft.take<bool>(c.use_conv_bias, top.boolean("use_conv_bias"), true, Field::use_conv_bias);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_word_embeddings"), false, Field::tie_embeddings);
  // Written by adder convert, since vocab_size has to count the embedding's rows for transformers.
  if (const auto unpadded = top.integer("unpadded_vocab_size", 1, std::max<std::int64_t>(1, c.vocab_size)))
    c.vocab_size = *unpadded;
  // transformers builds the gated norm whatever rms_norm says, so only a true is a statement.
  const std::optional<bool> rms_norm = top.boolean("rms_norm");
  draft.take<bool>(c.has_gated_norm, rms_norm && *rms_norm ? rms_norm : std::nullopt, true,
                   Field::gated_norm);
  read_activation(draft, top, "hidden_act");
}

void refuse_layer_norm(Draft& draft, Fields& top) {
  draft.unsupported(!top.boolean("rms_norm").value_or(true),
                    "rms_norm false: blocks normalised by LayerNorm");
}

void read_mamba_ssm(Draft& draft, const Json& json) {
  ModelConfig& c = draft.config;
  Fields top(json, "", draft.problems);
  const Json empty = Json::object();
  const Json* cfg = top.raw("ssm_cfg");
  if (cfg != nullptr && !cfg->is_object()) top.expected("ssm_cfg", "an object", *cfg);
  Fields ssm(cfg != nullptr && cfg->is_object() ? *cfg : empty, "ssm_cfg.", draft.problems);
  c.d_model = draft.require(top, "d_model", kMaxSize);
  c.n_layer = draft.require(top, "n_layer", kMaxLayers);
  draft.take<std::int64_t>(c.d_state, ssm.integer("d_state", 1, kMaxSize), 128, Field::d_state);
  draft.take<std::int64_t>(c.n_groups, ssm.integer("ngroups", 1, kMaxSize), 1, Field::n_groups);
  draft.take<std::int64_t>(c.d_conv, ssm.integer("d_conv", 2, kMaxConv), 4, Field::d_conv);
  draft.stated_head_dim = ssm.integer("headdim", 1, kMaxSize);
  draft.expand = ssm.number("expand", 1e-3, 1e3).value_or(2);
  c.norm_eps = top.number("norm_epsilon", 1e-30, 1).value_or(1e-5);
  read_range(draft, ssm, "dt_limit");
  draft.take<bool>(c.use_bias, ssm.boolean("bias"), false, Field::use_bias);
  draft.take<bool>(c.use_conv_bias, ssm.boolean("conv_bias"), true, Field::use_conv_bias);
  draft.take<bool>(c.has_gated_norm, ssm.boolean("rmsnorm"), true, Field::gated_norm);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_embeddings"), true, Field::tie_embeddings);
  read_activation(draft, ssm, "activation");
  refuse_layer_norm(draft, top);
  draft.unsupported(top.integer("d_intermediate", 0, kMaxSize).value_or(0) > 0,
                    "d_intermediate: layers with an MLP");
  draft.unsupported(ssm.boolean("D_has_hdim").value_or(false), "ssm_cfg.D_has_hdim: one D per channel");
  draft.unsupported(ssm.boolean("norm_before_gate").value_or(false),
                    "ssm_cfg.norm_before_gate: the norm ahead of the gate");
  const auto d_ssm = ssm.integer("d_ssm", 1, kMaxSize);
  draft.unsupported(d_ssm && static_cast<double>(*d_ssm) != draft.expand * static_cast<double>(c.d_model),
                    "ssm_cfg.d_ssm: an SSM narrower than the inner width");
}

// mistral_inference builds mamba_ssm's Mamba2 from these few fields and leaves all else to its defaults
// (src/mistral_inference/{args,mamba}.py there).
void read_mistral(Draft& draft, const Json& json) {
  ModelConfig& c = draft.config;
  Fields top(json, "", draft.problems);
  c.d_model = draft.require(top, "dim", kMaxSize);
  c.n_layer = draft.require(top, "n_layers", kMaxLayers);
  draft.take<std::int64_t>(c.n_groups, top.integer("n_groups", 1, kMaxSize), 1, Field::n_groups);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_embeddings"), true, Field::tie_embeddings);
  refuse_layer_norm(draft, top);
  constexpr std::optional<std::int64_t> kUnstated;
  draft.take<std::int64_t>(c.d_state, kUnstated, 128, Field::d_state);
  draft.take<std::int64_t>(c.d_conv, kUnstated, 4, Field::d_conv);
  c.defaulted.insert({Field::use_bias, Field::use_conv_bias, Field::gated_norm});
}

// E, H and P from D, expand and whichever of H and P the file states.
void derive_heads(Draft& draft) {
  ModelConfig& c = draft.config;
  const double inner = draft.expand * static_cast<double>(c.d_model);
  c.d_inner = std::llround(inner);
  if (c.d_model == 0) return;  // already complained about
  // A quotient such as 100/49 comes back only to within rounding.
  if (std::fabs(static_cast<double>(c.d_inner) - inner) > 1e-9 * inner || c.d_inner < 1) {
    draft.problems.push_back(
        fmt::format("expand {} times the model width {} is not a whole number", draft.expand, c.d_model));
    return;
  }
  // Where not even the default divides E, one head stands in until the tensors tell.
  std::int64_t fallback = c.d_inner % 64 == 0 ? 64 : c.d_inner;
  if (draft.stated_heads) fallback = std::max<std::int64_t>(1, c.d_inner / *draft.stated_heads);
  draft.take<std::int64_t>(c.head_dim, draft.stated_head_dim, fallback, Field::head_dim);
  draft.take<std::int64_t>(c.n_heads, draft.stated_heads, c.d_inner / c.head_dim, Field::n_heads);
}

void check_sizes(const ModelConfig& c, std::vector<std::string>& problems) {
  const auto in_range = [&](std::string_view what, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      problems.push_back(
          fmt::format("{}: expected a whole number from {} to {}, found {}", what, low, high, value));
  };
  const std::size_t before = problems.size();
  in_range("model width", c.d_model, 1, kMaxSize);
  in_range("layers", c.n_layer, 1, kMaxLayers);
  in_range("inner width", c.d_inner, 1, kMaxSize * 8);
  in_range("heads", c.n_heads, 1, kMaxSize);
  in_range("head size", c.head_dim, 1, kMaxSize);
  in_range("groups", c.n_groups, 1, kMaxSize);
  in_range("state size", c.d_state, 1, kMaxSize);
  in_range("convolution width", c.d_conv, 2, kMaxConv);
  in_range("vocabulary", c.vocab_size, 1, kMaxVocab);
  in_range("padded vocabulary", c.padded_vocab_size, c.vocab_size, kMaxVocab + kMaxSize);
  if (problems.size() != before) return;
  if (c.n_heads * c.head_dim != c.d_inner)
    problems.push_back(fmt::format("{} heads of {} make {} channels, but expand times the model width is {}",
                                   c.n_heads, c.head_dim, c.n_heads * c.head_dim, c.d_inner));
}

// Apart from check_sizes because the number of groups may still be a guess that the tensors correct.
void check_groups(const ModelConfig& c, std::vector<std::string>& problems) {
  if (c.n_groups > 0 && c.n_heads % c.n_groups != 0)
    problems.push_back(fmt::format("{} heads do not divide into {} groups", c.n_heads, c.n_groups));
}

}  // namespace

std::string_view name(Dialect dialect) {
  switch (dialect) {
    case Dialect::hugging_face:
      return "Hugging Face";
    case Dialect::mamba_ssm:
      return "mamba_ssm";
    case Dialect::mistral:
      return "Mistral";
    case Dialect::gguf:
      return "GGUF";
  }
  return {};
}

Result<ModelConfig> parse_config(const Json& json, std::string_view origin) {
  if (!json.is_object())
    return fail(ErrorCode::corrupt, fmt::format("{}: expected an object, found {}", origin, describe(json)));
  Draft draft;
  ADDER_TRY(draft.config.dialect, detect_dialect(json, origin));
  Fields top(json, "", draft.problems);
  read_common(draft, top);
  if (draft.config.dialect == Dialect::hugging_face)
    read_hugging_face(draft, json);
  else if (draft.config.dialect == Dialect::mistral)
    read_mistral(draft, json);
  else
    read_mamba_ssm(draft, json);
  derive_heads(draft);
  if (draft.problems.empty()) check_sizes(draft.config, draft.problems);
  if (draft.problems.empty() && !draft.config.is_default(Field::n_groups))
    check_groups(draft.config, draft.problems);
  if (!draft.problems.empty())
    return fail(ErrorCode::corrupt, join_problems(origin, "problems", draft.problems));
  if (!draft.variants.empty())
    return fail(ErrorCode::unsupported, join_problems(origin, "unsupported settings", draft.variants));
  return std::move(draft.config);
}

Result<ModelConfig> read_config(const std::filesystem::path& path) {
  ADDER_TRY(const Json json, read_json_file(path, {.max_depth = 64, .reject_duplicate_keys = true}));
  return parse_config(json, path.string());
}

Status validate(const ModelConfig& config, std::string_view origin) {
  std::vector<std::string> problems;
  check_sizes(config, problems);
  check_groups(config, problems);
  if (problems.empty()) return {};
  return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
}

Result<GenerationDefaults> parse_generation_defaults(const Json& json, std::string_view origin) {
  if (!json.is_object())
    return fail(ErrorCode::corrupt, fmt::format("{}: expected an object, found {}", origin, describe(json)));
  std::vector<std::string> problems;
  Fields top(json, "", problems);
  GenerationDefaults g;
  g.do_sample = top.boolean("do_sample");
  g.temperature = top.number("temperature", 0, 1e4);
  g.top_p = top.number("top_p", 0, 1);
  g.min_p = top.number("min_p", 0, 1);
  g.repetition_penalty = top.number("repetition_penalty", 1e-4, 1e4);
  g.top_k = top.integer("top_k", 0, kMaxVocab);
  g.max_new_tokens = top.integer("max_new_tokens", 0, std::numeric_limits<std::int32_t>::max());
  g.eos_token_ids = top.tokens("eos_token_id");
  g.bos_token_id = top.token("bos_token_id");
  g.pad_token_id = top.token("pad_token_id");
  if (!problems.empty()) return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
  return g;
}

Result<GenerationDefaults> read_generation_defaults(const std::filesystem::path& path) {
  ADDER_TRY(const std::filesystem::file_type type, type_of(path));
  if (type == std::filesystem::file_type::not_found) return GenerationDefaults{};
  ADDER_TRY(const Json json, read_json_file(path));
  return parse_generation_defaults(json, path.string());
}

}  // namespace adder::checkpoint
