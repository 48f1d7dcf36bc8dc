#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "arch/families.h"
#include "arch/mamba1.h"
#include "arch/reading.h"

namespace adder::arch {
namespace {

/// Which things the file left open, for the tensors to decide.
struct Open {
  bool use_bias = false, use_conv_bias = false, tie_embeddings = false;
};

struct Draft {
  Mamba1 config;
  Findings findings;
  Open open;

  bool stated(std::optional<bool> value, bool fallback, bool& left_open) {
    left_open = !value;
    return value.value_or(fallback);
  }
};

/// A whole number, or "auto": ceil(D/16).
std::int64_t read_rank(Fields& fields, const char* name, std::int64_t d_model) {
  const Json* raw = fields.raw(name);
  const std::int64_t automatic = std::max<std::int64_t>(1, (d_model + 15) / 16);
  if (raw == nullptr || (raw->is_string() && raw->get<std::string>() == "auto")) return automatic;
  return fields.integer(name, 1, kMaxSize).value_or(automatic);
}

/// E = expand*D.
std::int64_t read_expanded(Fields& fields, Findings& findings, std::int64_t d_model) {
  return expanded_width(fields.number("expand", 1e-3, 1e3).value_or(2), d_model, findings);
}

void read_hugging_face(Draft& draft, const Json& json) {
  Mamba1& c = draft.config;
  Fields top(json, "", draft.findings.problems);
  read_hugging_face_common(c, top, draft.findings);
  c.d_state = top.integer("state_size", 1, kMaxSize).value_or(16);
  c.d_conv = top.integer("conv_kernel", 2, kMaxConv).value_or(4);
  // Falcon-Mamba's published config says expand 16 beside an intermediate_size of twice its width, which is
  // what its tensors have.
  const auto inner = top.integer("intermediate_size", 1, kMaxSize * 8);
  c.d_inner = inner ? *inner : read_expanded(top, draft.findings, c.d_model);
  c.dt_rank = read_rank(top, "time_step_rank", c.d_model);
  c.use_bias = draft.stated(top.boolean("use_bias"), false, draft.open.use_bias);
  c.use_conv_bias = draft.stated(top.boolean("use_conv_bias"), true, draft.open.use_conv_bias);
  c.tie_embeddings = draft.stated(top.boolean("tie_word_embeddings"), true, draft.open.tie_embeddings);
  if (c.inner_norms) c.inner_norm_eps = top.number("mixer_rms_eps", 1e-30, 1).value_or(1e-6);
}

void read_mamba_ssm(Draft& draft, const Json& json) {
  Mamba1& c = draft.config;
  Findings& findings = draft.findings;
  Fields top(json, "", findings.problems);
  read_mamba_ssm_common(c, top, findings);
  Fields ssm(ssm_cfg(json), "ssm_cfg.", findings.problems);
  c.d_state = ssm.integer("d_state", 1, kMaxSize).value_or(16);
  c.d_conv = ssm.integer("d_conv", 2, kMaxConv).value_or(4);
  c.d_inner = read_expanded(ssm, findings, c.d_model);
  c.dt_rank = read_rank(ssm, "dt_rank", c.d_model);
  c.use_bias = draft.stated(ssm.boolean("bias"), false, draft.open.use_bias);
  c.use_conv_bias = draft.stated(ssm.boolean("conv_bias"), true, draft.open.use_conv_bias);
  c.tie_embeddings = draft.stated(top.boolean("tie_embeddings"), true, draft.open.tie_embeddings);
}

void read_gguf(Draft& draft, const Source& source) {
  Mamba1& c = draft.config;
  Findings& findings = draft.findings;
  Fields keys(source.json, "", findings.problems);
  read_gguf_common(c, keys, findings, "mamba", source);
  c.d_conv = require(keys, findings, "mamba.ssm.conv_kernel", kMaxConv, 2);
  c.d_inner = require(keys, findings, "mamba.ssm.inner_size", kMaxSize * 8);
  c.d_state = require(keys, findings, "mamba.ssm.state_size", kMaxSize);
  c.dt_rank = require(keys, findings, "mamba.ssm.time_step_rank", kMaxSize);
  // Falcon-Mamba, whose inner norms' eps has no key: it is transformers' default, not that of the blocks.
  c.inner_norms = keys.boolean("mamba.ssm.dt_b_c_rms").value_or(false);
  draft.open = {.use_bias = true, .use_conv_bias = true};  // the format has no keys for these
}

void check_sizes(const Mamba1& c, Findings& findings) {
  check_common_sizes(c, findings);
  check_range(findings, "inner width", c.d_inner, 1, kMaxSize * 8);
  check_range(findings, "state size", c.d_state, 1, kMaxSize);
  check_range(findings, "rank of dt", c.dt_rank, 1, kMaxSize);
  check_range(findings, "convolution width", c.d_conv, 2, kMaxConv);
}

/// What the file left open, the tensors decide.
void complete(Mamba1& c, const Open& open, const Stored& stored) {
  Mamba1 all = c;
  all.use_bias = all.use_conv_bias = true;
  const std::vector<TensorField> known = all.tensors();
  const auto has = [&](std::string_view local) { return stored_dims(stored, known, local) != nullptr; };
  if (open.use_bias) c.use_bias = has("mixer.in_proj.bias") || has("mixer.out_proj.bias");
  if (open.use_conv_bias) c.use_conv_bias = has("mixer.conv1d.bias");
  if (open.tie_embeddings && c.inner_norms) c.tie_embeddings = !has("head.weight");
}

Result<ConfigRef> read(const Source& source, bool inner_norms) {
  Draft draft;
  Mamba1& c = draft.config;
  c.dialect = source.dialect;
  c.inner_norms = inner_norms;
  if (source.dialect == Dialect::gguf) {
    read_gguf(draft, source);
  } else {
    Fields top(source.json, "", draft.findings.problems);
    read_common(c, top, draft.findings);
    if (source.dialect == Dialect::hugging_face) read_hugging_face(draft, source.json);
    if (source.dialect == Dialect::mamba_ssm) read_mamba_ssm(draft, source.json);
  }
  if (draft.findings.problems.empty()) check_sizes(c, draft.findings);
  ADDER_CHECK(draft.findings.status(source.origin));
  if (source.stored->known()) complete(c, draft.open, *source.stored);
  return std::make_shared<const Mamba1>(std::move(c));
}

bool claims_mamba(const Source& s) {
  switch (s.dialect) {
    case Dialect::mistral:
      return false;
    case Dialect::gguf:
      return names_any(s.json, "general.architecture", {"mamba"});
    case Dialect::mamba_ssm: {
      const std::string layer = text_or_empty(ssm_cfg(s.json), "layer");
      return layer == "Mamba1" || layer.empty();  // its default; Mamba-2 was asked before
    }
    case Dialect::hugging_face:
      break;
  }
  if (has_any(s.json, {"model_type"})) return names_any(s.json, "model_type", {"mamba"});
  return names_any(s.json, "architectures", {"MambaForCausalLM", "MambaModel"}) ||
         (s.json.contains("state_size") && s.json.contains("time_step_rank"));
}

bool claims_falcon_mamba(const Source& s) {
  return s.dialect == Dialect::hugging_face &&
         (names_any(s.json, "model_type", {"falcon_mamba"}) ||
          names_any(s.json, "architectures", {"FalconMambaForCausalLM", "FalconMambaModel"}));
}

}  // namespace

const Architecture kFalconMamba{.name = "falcon_mamba",
                                .title = "Falcon-Mamba",
                                .claims = claims_falcon_mamba,
                                .read = [](const Source& s) { return read(s, true); }};
const Architecture kMamba1{
    .name = "mamba", .title = "Mamba", .claims = claims_mamba, .read = [](const Source& s) {
      return read(s, false);
    }};

}  // namespace adder::arch
