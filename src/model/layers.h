#pragma once

// The pieces between the recurrences: linear map, norms, causal convolution.
// Legend: B batch, T tokens, I inputs, O outputs; E inner, G groups, F conv channels, K conv width.

#include <optional>

#include "hlo/ops.h"
#include "model/layer_graph.h"
#include "model/products.h"

namespace adder::model {

using hlo::Value;

/// x [...,I] float32 by `w` [O,I] -> [...,O] float32: see product().
Value linear(const Policy& policy, Value x, const Matrix<Value>& w, std::optional<Value> bias = std::nullopt);

/// A normed value that goes into a linear map: value · scale, where a scale stands for what the policy takes
/// after the product.
struct Normed {
  Value value;                 ///< [...,I]
  std::optional<Value> scale;  ///< [...,1]
};
/// linear(), then the scale that stands after the product, then the bias.
Value linear(const Policy& policy, const Normed& x, const Matrix<Value>& w,
             std::optional<Value> bias = std::nullopt);
/// value · scale, where nothing is to be multiplied in between.
Value whole(const Normed& x);

/// x / sqrt(mean(x^2) + eps) · weight, over the last axis.
Normed rms_norm(const Policy& policy, Value x, Value weight, double eps);

/// x / sqrt(mean(x^2) + eps) over the last axis: a norm without a weight.
Value rms_norm(const Policy& policy, Value x, double eps);

/// y·silu(z), then RMS over each group of E/G channels, then weight: the mamba_ssm definition
/// (RMSNormGated, norm_before_gate = False). y, z [B,T,E]; no weight means no norm, only the gate.
Normed gated_rms_norm(const Policy& policy, Value y, Value z, const std::optional<Value>& weight,
                      std::int64_t groups, double eps);

/// A layer that is x + mixer(norm(x)): one norm, `norm.weight`, and a residual stream in float32.
class MixerBlock : public LayerGraph {
 public:
  explicit MixerBlock(double norm_eps) : norm_eps_(norm_eps) {}
  LayerOut layer(const LayerIn& in) const final;

 private:
  /// x [B,T,D], already normed -> [B,T,D], and the state.
  virtual LayerOut mixer(const LayerIn& in, const Normed& x) const = 0;
  double norm_eps_;
};

/// [B,T,1] float32: 1 where a token is real, 0 on padding. lengths [B] s32.
Value valid(Value lengths, std::int64_t tokens);

struct Conv {
  Value out;     ///< [B,T,F], before the activation
  Value window;  ///< [B,K-1,F], the last raw inputs at each row's own length, oldest first
};
/// Depthwise causal convolution of x [B,T,F] continued from `window`; weight [F,1,K]. A row of length 0 keeps
/// its window. Where windows are rings (place.phase; T = 1), the oldest input is row `phase` in [0,K-1), and
/// the new one takes its place.
Conv causal_conv(const Policy& policy, Value x, Value window, Value weight, const std::optional<Value>& bias,
                 const Place& place);
/// A ring of K-1 rows [B,K-1,F] as a window, oldest row first.
Value unrolled(Value ring, Value phase);

}  // namespace adder::model
