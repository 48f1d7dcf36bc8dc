#pragma once

// The pieces between the recurrences: linear map, norms, causal convolution. Legend in config.h.

#include <optional>

#include "hlo/ops.h"
#include "model/products.h"

namespace adder::model {

using hlo::Value;

/// x [...,I] float32 by `w` [O,I] -> [...,O] float32: see product().
Value linear(const Policy& policy, Value x, const Matrix<Value>& w, std::optional<Value> bias = std::nullopt);

/// x / sqrt(mean(x^2) + eps) · weight, over the last axis.
Value rms_norm(Value x, Value weight, double eps);

/// y·silu(z), then RMS over each group of E/G channels, then weight: the mamba_ssm definition
/// (RMSNormGated, norm_before_gate = False). y, z [B,T,E]; no weight means no norm, only the gate.
Value gated_rms_norm(Value y, Value z, const std::optional<Value>& weight, std::int64_t groups, double eps);

struct Conv {
  Value out;     ///< [B,T,F], before the activation
  Value window;  ///< [B,K-1,F], the last raw inputs at each row's own length, oldest first
};
/// Depthwise causal convolution of x [B,T,F] continued from `window`; weight [F,1,K]; lengths [B] s32 in
/// [0,T] is how many tokens of each row are real. A row of length 0 keeps its window.
Conv causal_conv(Value x, Value window, Value weight, const std::optional<Value>& bias, Value lengths);

}  // namespace adder::model
