#pragma once

#include "arch/config.h"

namespace adder::arch {

/// Mamba: Gu & Dao 2023, as transformers' MambaForCausalLM and state-spaces/mamba store it; and Falcon-Mamba
/// (FalconMambaForCausalLM), which is the same with norms inside the mixer. The names after each field are
/// its Hugging Face and mamba_ssm spellings, with the default each publishes. Legend: E inner, N state, R
/// rank of dt, K conv width.
struct Mamba1 final : Config {
  std::int64_t d_inner = 0;      ///< E: intermediate_size, else expand*D: expand, 2 | ssm_cfg.expand, 2
  std::int64_t d_state = 0;      ///< N: state_size, 16 | ssm_cfg.d_state, 16
  std::int64_t dt_rank = 0;      ///< R: time_step_rank, ceil(D/16) | ssm_cfg.dt_rank, ceil(D/16)
  std::int64_t d_conv = 0;       ///< K: conv_kernel, 4 | ssm_cfg.d_conv, 4
  bool use_bias = false;         ///< in_proj and out_proj: use_bias | ssm_cfg.bias
  bool use_conv_bias = true;     ///< use_conv_bias | ssm_cfg.conv_bias
  bool inner_norms = false;      ///< Falcon-Mamba: RMS norms without weights on dt, B and C
  double inner_norm_eps = 1e-6;  ///< mixer_rms_eps

  std::string_view architecture() const override { return inner_norms ? "falcon_mamba" : "mamba"; }
  std::string_view title() const override { return inner_norms ? "Falcon-Mamba" : "Mamba"; }
  std::vector<TensorField> tensors() const override;
  std::vector<StateField> layer_state(std::int64_t capacity) const override;
  OrderedJson facts() const override;
  std::string describe() const override;
  std::string describe_stored(const Stored& stored) const override;
  OrderedJson hugging_face() const override;
};

}  // namespace adder::arch
