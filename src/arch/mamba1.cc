#include "arch/mamba1.h"

#include <fmt/format.h>

#include "arch/backbone.h"
#include "arch/reading.h"

namespace adder::arch {

std::vector<TensorField> Mamba1::tensors() const {
  TensorList t = begin_backbone(*this);
  for (std::int64_t layer = 0; layer < n_layer; ++layer) {
    t.begin_layer(layer);
    t.vector("norm.weight", "attn_norm.weight", {d_model});
    t.matrix("mixer.in_proj.weight", "ssm_in.weight", 2 * d_inner, d_model).parts = {{"x", d_inner},
                                                                                     {"z", d_inner}};
    if (use_bias) t.vector("mixer.in_proj.bias", "ssm_in.bias", {2 * d_inner});
    t.vector("mixer.conv1d.weight", "ssm_conv1d.weight", {d_inner, 1, d_conv});
    if (use_conv_bias) t.vector("mixer.conv1d.bias", "ssm_conv1d.bias", {d_inner});
    // Small, and what they say goes through an exponential: never narrower than float32.
    t.vector("mixer.x_proj.weight", "ssm_x.weight", {dt_rank + 2 * d_state, d_inner});
    t.vector("mixer.dt_proj.weight", "ssm_dt.weight", {d_inner, dt_rank});
    t.vector("mixer.dt_proj.bias", "ssm_dt.bias", {d_inner});
    t.vector("mixer.A_log", "ssm_a", {d_inner, d_state}).read = Read::decay;
    t.vector("mixer.D", "ssm_d", {d_inner});
    t.matrix("mixer.out_proj.weight", "ssm_out.weight", d_model, d_inner);
    if (use_bias) t.vector("mixer.out_proj.bias", "ssm_out.bias", {d_model});
  }
  return end_backbone(std::move(t), *this);
}

std::vector<StateField> Mamba1::layer_state(std::int64_t /*capacity*/) const {
  std::vector<StateField> out;
  for (std::int64_t layer = 0; layer < n_layer; ++layer) {
    out.push_back(conv_state(layer, d_conv, d_inner));
    out.push_back(ssm_state(layer, {d_inner, 1, d_state}, {d_inner, d_state}));  // heads of one channel
  }
  return out;
}

OrderedJson Mamba1::facts() const {
  OrderedJson out{{"d_model", d_model},
                  {"n_layer", n_layer},
                  {"d_inner", d_inner},
                  {"d_state", d_state},
                  {"dt_rank", dt_rank},
                  {"d_conv", d_conv},
                  {"vocab_size", vocab_size},
                  {"padded_vocab_size", padded_vocab_size},
                  {"norm_eps", norm_eps},
                  {"use_bias", use_bias},
                  {"use_conv_bias", use_conv_bias},
                  {"tie_embeddings", tie_embeddings}};
  if (inner_norms) out["mixer_rms_eps"] = inner_norm_eps;
  return out;
}

std::string Mamba1::describe() const {
  std::string out = fmt::format("{} layers, D {}, E {}, N {}, R {}, K {}", n_layer, d_model, d_inner, d_state,
                                dt_rank, d_conv);
  out += use_bias ? ", projections with bias" : "";
  out += use_conv_bias ? "" : ", convolution without bias";
  return out;
}

std::string Mamba1::describe_stored(const Stored& stored) const {
  const std::vector<TensorField> known = tensors();
  const auto inner = stored_dim(stored, known, "mixer.A_log", 2, 0);
  const auto state = stored_dim(stored, known, "mixer.A_log", 2, 1);
  const auto width = stored_dim(stored, known, "embedding.weight", 2, 1);
  const auto rows = stored_dim(stored, known, "embedding.weight", 2, 0);
  const auto rank = stored_dim(stored, known, "mixer.dt_proj.weight", 2, 1);
  const auto taps = stored_dim(stored, known, "mixer.conv1d.weight", 3, 2);
  if (!inner || !state || !width || !rows || !rank || !taps) return {};
  return fmt::format(
      "the tensors look like {} layers, model width {}, inner width {}, state size {}, rank of dt {}, "
      "convolution width {}, {} embedding rows",
      stored_layers(stored), *width, *inner, *state, *rank, *taps, *rows);
}

OrderedJson Mamba1::hugging_face() const {
  OrderedJson json = inner_norms ? common_hugging_face(*this, "FalconMambaForCausalLM", "falcon_mamba")
                                 : common_hugging_face(*this, "MambaForCausalLM", "mamba");
  json.update({{"intermediate_size", d_inner},
               {"state_size", d_state},
               {"time_step_rank", dt_rank},
               {"conv_kernel", d_conv},
               {"use_bias", use_bias},
               {"use_conv_bias", use_conv_bias}});
  if (d_inner % d_model == 0) json["expand"] = d_inner / d_model;
  if (inner_norms) json["mixer_rms_eps"] = inner_norm_eps;
  return json;
}

}  // namespace adder::arch
