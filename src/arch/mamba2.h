#pragma once

#include <limits>

#include "arch/config.h"

namespace adder::arch {

/// Mamba-2: Dao & Gu 2024, as transformers' Mamba2ForCausalLM, state-spaces/mamba and Codestral Mamba store
/// it. The two names after each field are its Hugging Face and mamba_ssm spellings, with the default each
/// publishes; Mistral's n_groups and tie_embeddings mean the same, and its other sizes are mamba_ssm's
/// defaults. Legend: E inner = H·P, H heads, P head dimension, G groups, N state, K conv width, conv channels
/// F = E + 2·G·N.
struct Mamba2 final : Config {
  /// Fields whose value may come from a published default.
  enum class Field {
    d_state,
    head_dim,
    n_heads,
    n_groups,
    d_conv,
    use_bias,
    use_conv_bias,
    gated_norm,
    tie_embeddings
  };

  std::int64_t d_inner = 0;   ///< E = H*P = expand*D: expand, 2 | ssm_cfg.expand, 2
  std::int64_t n_heads = 0;   ///< H: num_heads, E/P | E/P
  std::int64_t head_dim = 0;  ///< P: head_dim, 64 | ssm_cfg.headdim, 64
  std::int64_t n_groups = 0;  ///< G: n_groups, 8 | ssm_cfg.ngroups, 1
  std::int64_t d_state = 0;   ///< N: state_size, 128 | ssm_cfg.d_state, 128
  std::int64_t d_conv = 0;    ///< K: conv_kernel, 4 | ssm_cfg.d_conv, 4
  double dt_min = 0.0;        ///< time_step_limit | ssm_cfg.dt_limit; clamp after softplus
  double dt_max = std::numeric_limits<double>::infinity();
  bool use_bias = false;       ///< in_proj and out_proj: use_bias | ssm_cfg.bias
  bool use_conv_bias = true;   ///< use_conv_bias | ssm_cfg.conv_bias
  bool has_gated_norm = true;  ///< mixer.norm.weight exists: rms_norm | ssm_cfg.rmsnorm
  std::set<Field> defaulted;   ///< fields that the file left out, for the tensors to decide

  std::int64_t conv_dim() const { return d_inner + 2 * n_groups * d_state; }
  std::int64_t in_proj_dim() const { return d_inner + conv_dim() + n_heads; }
  bool is_default(Field field) const { return defaulted.contains(field); }

  std::string_view architecture() const override { return "mamba2"; }
  std::string_view title() const override { return "Mamba-2"; }
  std::vector<TensorField> tensors() const override;
  std::vector<StateField> layer_state(std::int64_t capacity) const override;
  OrderedJson facts() const override;
  std::string describe() const override;
  std::string describe_stored(const Stored& stored) const override;
  OrderedJson hugging_face() const override;
};

}  // namespace adder::arch
