#include "arch/mamba2.h"

#include <fmt/format.h>

#include <cmath>

#include "arch/backbone.h"
#include "arch/reading.h"

namespace adder::arch {
namespace {

// A whole number where it is one, as transformers writes it.
OrderedJson expand(const Mamba2& c) {
  if (c.d_inner % c.d_model == 0) return c.d_inner / c.d_model;
  return static_cast<double>(c.d_inner) / static_cast<double>(c.d_model);
}

}  // namespace

std::vector<TensorField> Mamba2::tensors() const {
  TensorList t = begin_backbone(*this);
  for (std::int64_t layer = 0; layer < n_layer; ++layer) {
    t.begin_layer(layer);
    t.vector("norm.weight", "attn_norm.weight", {d_model});
    t.matrix("mixer.in_proj.weight", "ssm_in.weight", in_proj_dim(), d_model).parts = {
        {"z", d_inner}, {"xbcdt", conv_dim() + n_heads}};
    if (use_bias) t.vector("mixer.in_proj.bias", "ssm_in.bias", {in_proj_dim()});
    t.vector("mixer.conv1d.weight", "ssm_conv1d.weight", {conv_dim(), 1, d_conv});
    if (use_conv_bias) t.vector("mixer.conv1d.bias", "ssm_conv1d.bias", {conv_dim()});
    t.vector("mixer.A_log", "ssm_a", {n_heads}).read = Read::decay;
    t.vector("mixer.D", "ssm_d", {n_heads});
    t.vector("mixer.dt_bias", "ssm_dt.bias", {n_heads});
    if (has_gated_norm) t.vector("mixer.norm.weight", "ssm_norm.weight", {d_inner});
    t.matrix("mixer.out_proj.weight", "ssm_out.weight", d_model, d_inner);
    if (use_bias) t.vector("mixer.out_proj.bias", "ssm_out.bias", {d_model});
  }
  return end_backbone(std::move(t), *this);
}

std::vector<StateField> Mamba2::layer_state(std::int64_t /*capacity*/) const {
  std::vector<StateField> out;
  for (std::int64_t layer = 0; layer < n_layer; ++layer) {
    out.push_back(conv_state(layer, d_conv, conv_dim()));
    out.push_back(ssm_state(layer, {n_heads, head_dim, d_state}, {n_heads, head_dim, d_state}));
  }
  return out;
}

OrderedJson Mamba2::facts() const {
  const auto limit = [](double x) { return std::isfinite(x) ? OrderedJson(x) : OrderedJson("Infinity"); };
  return {{"d_model", d_model},           {"n_layer", n_layer},
          {"d_inner", d_inner},           {"n_heads", n_heads},
          {"head_dim", head_dim},         {"n_groups", n_groups},
          {"d_state", d_state},           {"d_conv", d_conv},
          {"vocab_size", vocab_size},     {"padded_vocab_size", padded_vocab_size},
          {"norm_eps", norm_eps},         {"dt_limit", {limit(dt_min), limit(dt_max)}},
          {"use_bias", use_bias},         {"use_conv_bias", use_conv_bias},
          {"gated_norm", has_gated_norm}, {"tie_embeddings", tie_embeddings}};
}

std::string Mamba2::describe() const {
  std::string out = fmt::format("{} layers, D {}, E {}, H {} heads of P {}, G {}, N {}, K {}", n_layer,
                                d_model, d_inner, n_heads, head_dim, n_groups, d_state, d_conv);
  out += use_bias ? ", projections with bias" : "";
  out += use_conv_bias ? "" : ", convolution without bias";
  out += has_gated_norm ? "" : ", no gated norm";
  if (dt_min > 0 || std::isfinite(dt_max)) out += fmt::format(", dt limits {} to {}", dt_min, dt_max);
  return out;
}

std::string Mamba2::describe_stored(const Stored& stored) const {
  const std::vector<TensorField> known = tensors();
  const auto inner = stored_dim(stored, known, "mixer.out_proj.weight", 2, 1);
  const auto width = stored_dim(stored, known, "embedding.weight", 2, 1);
  const auto rows = stored_dim(stored, known, "embedding.weight", 2, 0);
  const auto heads = stored_dim(stored, known, "mixer.A_log", 1, 0);
  const auto channels = stored_dim(stored, known, "mixer.conv1d.weight", 3, 0);
  const auto taps = stored_dim(stored, known, "mixer.conv1d.weight", 3, 2);
  if (!inner || !width || !rows || !heads || !channels || !taps) return {};
  std::string text = fmt::format(
      "the tensors look like {} layers, model width {}, inner width {}, {} heads of {}, convolution width "
      "{}, {} embedding rows",
      stored_layers(stored), *width, *inner, *heads, *inner / *heads, *taps, *rows);
  if (*channels > *inner) text += fmt::format(", groups times state size {}", (*channels - *inner) / 2);
  return text;
}

OrderedJson Mamba2::hugging_face() const {
  OrderedJson json = common_hugging_face(*this, "Mamba2ForCausalLM", "mamba2");
  json.update({{"state_size", d_state},
               {"head_dim", head_dim},
               {"num_heads", n_heads},
               {"n_groups", n_groups},
               {"expand", expand(*this)},
               {"conv_kernel", d_conv},
               {"rms_norm", has_gated_norm},
               {"use_bias", use_bias},
               {"use_conv_bias", use_conv_bias},
               {"time_step_limit", {extended_number(dt_min), extended_number(dt_max)}}});
  return json;
}

}  // namespace adder::arch
