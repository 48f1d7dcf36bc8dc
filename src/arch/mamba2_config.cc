#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "arch/families.h"
#include "arch/mamba2.h"
#include "arch/reading.h"

namespace adder::arch {
namespace {

using Field = Mamba2::Field;

// Collects what one dialect reader finds: values, which of them were defaults, and all complaints.
struct Draft {
  Mamba2 config;
  Findings findings;
  double expand = 2;
  std::optional<std::int64_t> stated_heads, stated_head_dim;

  template <class T, class U>
  void take(T& field, const std::optional<U>& stated, T fallback, Field which) {
    field = stated ? static_cast<T>(*stated) : fallback;
    if (!stated) config.defaulted.insert(which);
  }
};

void read_range(Draft& draft, Fields& fields, std::string_view name) {
  if (const auto limits = fields.range(name)) {
    draft.config.dt_min = limits->low;
    draft.config.dt_max = limits->high;
  }
}

void read_hugging_face(Draft& draft, const Json& json) {
  Mamba2& c = draft.config;
  Fields top(json, "", draft.findings.problems);
  read_hugging_face_common(c, top, draft.findings);
  draft.take<std::int64_t>(c.d_state, top.integer("state_size", 1, kMaxSize), 128, Field::d_state);
  draft.take<std::int64_t>(c.n_groups, top.integer("n_groups", 1, kMaxSize), 8, Field::n_groups);
  draft.take<std::int64_t>(c.d_conv, top.integer("conv_kernel", 2, kMaxConv), 4, Field::d_conv);
  draft.stated_heads = top.integer("num_heads", 1, kMaxSize);
  draft.stated_head_dim = top.integer("head_dim", 1, kMaxSize);
  draft.expand = top.number("expand", 1e-3, 1e3).value_or(2);
  read_range(draft, top, "time_step_limit");
  draft.take<bool>(c.use_bias, top.boolean("use_bias"), false, Field::use_bias);
  draft.take<bool>(c.use_conv_bias, top.boolean("use_conv_bias"), true, Field::use_conv_bias);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_word_embeddings"), false, Field::tie_embeddings);
  // transformers builds the gated norm whatever rms_norm says, so only a true is a statement.
  const std::optional<bool> rms_norm = top.boolean("rms_norm");
  draft.take<bool>(c.has_gated_norm, rms_norm && *rms_norm ? rms_norm : std::nullopt, true,
                   Field::gated_norm);
}

void read_mamba_ssm(Draft& draft, const Json& json) {
  Mamba2& c = draft.config;
  Findings& findings = draft.findings;
  Fields top(json, "", findings.problems);
  read_mamba_ssm_common(c, top, findings);
  Fields ssm(ssm_cfg(json), "ssm_cfg.", findings.problems);
  draft.take<std::int64_t>(c.d_state, ssm.integer("d_state", 1, kMaxSize), 128, Field::d_state);
  draft.take<std::int64_t>(c.n_groups, ssm.integer("ngroups", 1, kMaxSize), 1, Field::n_groups);
  draft.take<std::int64_t>(c.d_conv, ssm.integer("d_conv", 2, kMaxConv), 4, Field::d_conv);
  draft.stated_head_dim = ssm.integer("headdim", 1, kMaxSize);
  draft.expand = ssm.number("expand", 1e-3, 1e3).value_or(2);
  read_range(draft, ssm, "dt_limit");
  draft.take<bool>(c.use_bias, ssm.boolean("bias"), false, Field::use_bias);
  draft.take<bool>(c.use_conv_bias, ssm.boolean("conv_bias"), true, Field::use_conv_bias);
  draft.take<bool>(c.has_gated_norm, ssm.boolean("rmsnorm"), true, Field::gated_norm);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_embeddings"), true, Field::tie_embeddings);
  read_activation(ssm, findings, "activation");
  findings.unsupported(ssm.boolean("D_has_hdim").value_or(false), "ssm_cfg.D_has_hdim: one D per channel");
  findings.unsupported(ssm.boolean("norm_before_gate").value_or(false),
                       "ssm_cfg.norm_before_gate: the norm ahead of the gate");
  const auto d_ssm = ssm.integer("d_ssm", 1, kMaxSize);
  findings.unsupported(d_ssm && static_cast<double>(*d_ssm) != draft.expand * static_cast<double>(c.d_model),
                       "ssm_cfg.d_ssm: an SSM narrower than the inner width");
}

// mistral_inference builds mamba_ssm's Mamba2 from these few fields and leaves all else to its defaults
// (src/mistral_inference/{args,mamba}.py there).
void read_mistral(Draft& draft, const Json& json) {
  Mamba2& c = draft.config;
  Fields top(json, "", draft.findings.problems);
  c.d_model = require(top, draft.findings, "dim", kMaxSize);
  c.n_layer = require(top, draft.findings, "n_layers", kMaxLayers);
  draft.take<std::int64_t>(c.n_groups, top.integer("n_groups", 1, kMaxSize), 1, Field::n_groups);
  draft.take<bool>(c.tie_embeddings, top.boolean("tie_embeddings"), true, Field::tie_embeddings);
  refuse_layer_norm(top, draft.findings);
  constexpr std::optional<std::int64_t> kUnstated;
  draft.take<std::int64_t>(c.d_state, kUnstated, 128, Field::d_state);
  draft.take<std::int64_t>(c.d_conv, kUnstated, 4, Field::d_conv);
  c.defaulted.insert({Field::use_bias, Field::use_conv_bias, Field::gated_norm});
}

// E, H and P from D, expand and whichever of H and P the file states.
void derive_heads(Draft& draft) {
  Mamba2& c = draft.config;
  c.d_inner = expanded_width(draft.expand, c.d_model, draft.findings);
  if (c.d_inner == 0) return;  // already complained about
  // Where not even the default divides E, one head stands in until the tensors tell.
  std::int64_t fallback = c.d_inner % 64 == 0 ? 64 : c.d_inner;
  if (draft.stated_heads) fallback = std::max<std::int64_t>(1, c.d_inner / *draft.stated_heads);
  draft.take<std::int64_t>(c.head_dim, draft.stated_head_dim, fallback, Field::head_dim);
  draft.take<std::int64_t>(c.n_heads, draft.stated_heads, c.d_inner / c.head_dim, Field::n_heads);
}

void read_gguf(Draft& draft, const Source& source) {
  Mamba2& c = draft.config;
  Findings& findings = draft.findings;
  Fields keys(source.json, "", findings.problems);
  read_gguf_common(c, keys, findings, "mamba2", source);
  c.d_conv = require(keys, findings, "mamba2.ssm.conv_kernel", kMaxConv, 2);
  c.d_inner = require(keys, findings, "mamba2.ssm.inner_size", kMaxSize * 8);
  c.d_state = require(keys, findings, "mamba2.ssm.state_size", kMaxSize);
  c.n_heads = require(keys, findings, "mamba2.ssm.time_step_rank", kMaxSize);
  c.n_groups = keys.integer("mamba2.ssm.group_count", 1, kMaxSize).value_or(1);
  if (c.n_heads > 0) c.head_dim = c.d_inner / c.n_heads;
  // The tensors decide: the format has no keys for these.
  c.defaulted = {Field::use_bias, Field::use_conv_bias, Field::gated_norm};
}

void check_sizes(const Mamba2& c, Findings& findings) {
  const std::size_t before = findings.problems.size();
  check_common_sizes(c, findings);
  check_range(findings, "inner width", c.d_inner, 1, kMaxSize * 8);
  check_range(findings, "heads", c.n_heads, 1, kMaxSize);
  check_range(findings, "head size", c.head_dim, 1, kMaxSize);
  check_range(findings, "groups", c.n_groups, 1, kMaxSize);
  check_range(findings, "state size", c.d_state, 1, kMaxSize);
  check_range(findings, "convolution width", c.d_conv, 2, kMaxConv);
  if (findings.problems.size() != before) return;
  if (c.n_heads * c.head_dim != c.d_inner)
    findings.problems.push_back(
        fmt::format("{} heads of {} make {} channels, but expand times the model width is {}", c.n_heads,
                    c.head_dim, c.n_heads * c.head_dim, c.d_inner));
}

void check_groups(const Mamba2& c, Findings& findings) {
  if (c.n_groups > 0 && c.n_heads % c.n_groups != 0)
    findings.problems.push_back(fmt::format("{} heads do not divide into {} groups", c.n_heads, c.n_groups));
}

// What the file left to defaults, the tensors decide. Fields that the file states are never changed, so that
// contradictions stay visible. A layer counts as having a tensor if any layer does: what the others lack is
// then reported as missing.
void complete_presence(Mamba2& c, const Stored& stored) {
  Mamba2 all = c;
  all.use_bias = all.use_conv_bias = all.has_gated_norm = true;
  const std::vector<TensorField> known = all.tensors();
  const auto has = [&](std::string_view local) { return stored_dims(stored, known, local) != nullptr; };
  if (c.is_default(Field::use_bias)) c.use_bias = has("mixer.in_proj.bias") || has("mixer.out_proj.bias");
  if (c.is_default(Field::use_conv_bias)) c.use_conv_bias = has("mixer.conv1d.bias");
  if (c.is_default(Field::gated_norm)) c.has_gated_norm = has("mixer.norm.weight");
  if (c.is_default(Field::tie_embeddings) && !has("head.weight")) c.tie_embeddings = true;
}

void complete_sizes(Mamba2& c, const Stored& stored) {
  const std::vector<TensorField> known = c.tensors();
  const auto taps = stored_dim(stored, known, "mixer.conv1d.weight", 3, 2);
  if (c.is_default(Field::d_conv) && taps && *taps >= 2 && *taps <= kMaxConv) c.d_conv = *taps;
  const auto heads = stored_dim(stored, known, "mixer.A_log", 1, 0);
  if (heads && c.is_default(Field::n_heads) && c.is_default(Field::head_dim) && c.d_inner % *heads == 0) {
    c.n_heads = *heads;
    c.head_dim = c.d_inner / *heads;
  }
  // F = E + 2GN fixes the product of G and N; one of them must be known, or assumed, to split it.
  const auto channels = stored_dim(stored, known, "mixer.conv1d.weight", 3, 0);
  if (!channels || *channels <= c.d_inner || (*channels - c.d_inner) % 2 != 0) return;
  const std::int64_t product = (*channels - c.d_inner) / 2;
  if (c.n_groups * c.d_state == product) return;
  const bool free_groups = c.is_default(Field::n_groups), free_state = c.is_default(Field::d_state);
  if (free_groups && product % c.d_state == 0)
    c.n_groups = product / c.d_state;
  else if (free_state && !free_groups && product % c.n_groups == 0)
    c.d_state = product / c.n_groups;
}

bool claims(const Source& s) {
  const Json& json = s.json;
  switch (s.dialect) {
    case Dialect::mistral:
      return true;  // Mistral calls both Mamba versions "mamba"; it has published a Mamba-2 only
    case Dialect::gguf:
      return names_any(json, "general.architecture", {"mamba2"});
    case Dialect::mamba_ssm:
      break;
    case Dialect::hugging_face:
      if (has_any(json, {"model_type"})) return names_any(json, "model_type", {"mamba2", "mamba_ssm"});
      if (names_any(json, "architectures", {"Mamba2ForCausalLM", "Mamba2Model"})) return true;
      return json.contains("state_size") && has_any(json, {"num_heads", "head_dim", "n_groups"});
  }
  // In mamba_ssm the layer kind defaults to Mamba1, so its absence means Mamba-1 unless a field that only
  // Mamba2 has is there.
  const Json& ssm = ssm_cfg(json);
  const std::string layer = text_or_empty(ssm, "layer");
  if (!layer.empty()) return layer == "Mamba2";
  return has_any(ssm, {"headdim", "ngroups", "chunk_size", "rmsnorm", "norm_before_gate", "D_has_hdim"}) ||
         names_any(json, "architectures", {"Mamba2ForCausalLM", "Mamba2Model"}) ||
         names_any(json, "model_type", {"mamba2"});
}

Result<ConfigRef> read(const Source& source) {
  Draft draft;
  Mamba2& c = draft.config;
  c.dialect = source.dialect;
  if (source.dialect == Dialect::gguf) {
    read_gguf(draft, source);
  } else {
    Fields top(source.json, "", draft.findings.problems);
    read_common(c, top, draft.findings);
    if (source.dialect == Dialect::hugging_face) read_hugging_face(draft, source.json);
    if (source.dialect == Dialect::mistral) read_mistral(draft, source.json);
    if (source.dialect == Dialect::mamba_ssm) read_mamba_ssm(draft, source.json);
    derive_heads(draft);
  }
  if (draft.findings.problems.empty()) check_sizes(c, draft.findings);
  ADDER_CHECK(draft.findings.status(source.origin));
  if (source.stored->known()) {
    complete_presence(c, *source.stored);
    complete_sizes(c, *source.stored);
    check_sizes(c, draft.findings);
  }
  // The number of groups may be a guess that only the tensors correct.
  if (source.stored->known() || !c.is_default(Field::n_groups)) check_groups(c, draft.findings);
  ADDER_CHECK(draft.findings.status(source.origin));
  return std::make_shared<const Mamba2>(std::move(c));
}

}  // namespace

const Architecture kMamba2{.name = "mamba2", .title = "Mamba-2", .claims = claims, .read = read};

}  // namespace adder::arch
