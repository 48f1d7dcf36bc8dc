#include "model/layers.h"

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/reductions.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

Value linear(const Policy& policy, Value x, const Matrix<Value>& w, std::optional<Value> bias) {
  Dims dims = x.dims();
  const std::int64_t inputs = dims.back(), rows = x.shape().elements() / inputs;
  Value y = product(policy, view(x, {rows, inputs}), w);  // [rows,O]
  if (bias) y = y + *bias;
  dims.back() = w.weight.dim(0);
  return view(y, dims);
}

Value whole(const Normed& x) { return x.scale ? x.value * *x.scale : x.value; }

Value linear(const Policy& policy, const Normed& x, const Matrix<Value>& w, std::optional<Value> bias) {
  if (!x.scale) return linear(policy, x.value, w, bias);
  Value y = linear(policy, x.value, w) * *x.scale;
  return bias ? y + *bias : y;
}

namespace {

/// 1 / sqrt(mean(x^2) + eps) over the last axis, kept as size 1.
Value inverse_rms(const Policy& policy, Value x, double eps) {
  return rsqrt(row_sum_of_squares(policy, x) / static_cast<double>(x.dim(-1)) + eps);
}

}  // namespace

Normed rms_norm(const Policy& policy, Value x, Value weight, double eps) {
  Value scale = inverse_rms(policy, x, eps);
  if (policy.norm_after_product) return {x * weight, scale};
  return {x * scale * weight, std::nullopt};
}

Value rms_norm(const Policy& policy, Value x, double eps) { return x * inverse_rms(policy, x, eps); }

Normed gated_rms_norm(const Policy& policy, Value y, Value z, const std::optional<Value>& weight,
                      std::int64_t groups, double eps) {
  Value gated = once(policy, y * silu(z));  // [B,T,E]
  if (!weight) return {gated, std::nullopt};
  if (policy.norm_after_product && groups == 1) return rms_norm(policy, gated, *weight, eps);
  Dims grouped = gated.dims();
  const std::int64_t inner = grouped.back();
  grouped.back() = groups;
  grouped.push_back(inner / groups);
  Value g = view(gated, grouped);  // [B,T,G,E/G]
  return {view(g * inverse_rms(policy, g, eps), gated.dims()) * *weight, std::nullopt};
}

namespace {

/// x [B,S,F] with `before` rows of zeros before and `after` rows after.
Value placed(Value x, std::int64_t before, std::int64_t after) {
  return pad(x, constant(x.function(), x.dtype(), 0), {0, before, 0}, {0, after, 0});
}

/// Rows [start_b, start_b + size) of each x [B,S,F]: one gather, a window for each batch row.
Value windows_at(Value x, Value start, std::int64_t size) {
  const std::int64_t batch = x.dim(0);
  Value rows = iota(x.function(), Shape{DType::s32, {batch, 1}}, 0);
  Value index = concatenate({rows, view(start, {batch, 1})}, 1);  // [B,2]
  return gather(
      x, index,
      {.offset_dims = {1, 2}, .collapsed_slice_dims = {0}, .start_index_map = {0, 1}, .index_vector_dim = 1},
      {1, size, x.dim(2)});  // [B,size,F]
}

}  // namespace

namespace {

/// [B,F]: row (phase + k) mod K-1 of each ring [B,K-1,F].
Value ring_row(Value ring, Value phase, std::int64_t k) {
  const std::int64_t rows = ring.dim(1);
  const Dims dims{ring.dim(0), 1, ring.dim(2)};
  Value at = view(phase, {ring.dim(0), 1, 1}), out = slice_axis(ring, 1, k, k + 1);
  for (std::int64_t p = 1; p < rows; ++p) {
    const std::int64_t row = (p + k) % rows;
    out = hlo::where(eq(at, static_cast<double>(p)), slice_axis(ring, 1, row, row + 1), out);
  }
  return out;  // [B,1,F]
}

}  // namespace

Value unrolled(Value ring, Value phase) {
  Values rows;
  for (std::int64_t k = 0; k < ring.dim(1); ++k) rows.push_back(ring_row(ring, phase, k));
  return concatenate(rows, 1);
}

namespace {

/// causal_conv() where windows are rings.
Conv ring_conv(Value x, Value ring, Value phase, Value weight, const std::optional<Value>& bias,
               Value lengths) {
  const std::int64_t batch = x.dim(0), channels = x.dim(2), width = weight.dim(2);
  Value taps = transpose(view(weight, {channels, width}), {1, 0});  // [K,F]
  Value out = ring_row(ring, phase, 0) * slice_axis(taps, 0, 0, 1);
  for (std::int64_t k = 1; k < width; ++k)
    out = out + (k + 1 < width ? ring_row(ring, phase, k) : x) * slice_axis(taps, 0, k, k + 1);  // [B,1,F]
  if (bias) out = out + *bias;
  Value row = iota(x.function(), Shape{DType::s32, {1, width - 1, 1}}, 1);
  Value at = hlo::where(gt(lengths, 0), phase, -1);  // no row where nothing is absorbed
  Value written = eq(row, view(at, {batch, 1, 1}));  // [B,K-1,1]
  return {out, hlo::where(written, x, ring)};
}

}  // namespace

LayerOut MixerBlock::layer(const LayerIn& in) const {
  hlo::Scope part(in.x.function(), "norm");
  const Normed normed = rms_norm(in.policy, in.x, in.weights["norm.weight"], norm_eps_);
  part.next("mixer");
  LayerOut out = mixer(in, normed);
  part.next("residual");
  out.x = in.x + out.x;
  return out;
}

Value valid(Value lengths, std::int64_t tokens) {
  const std::int64_t batch = lengths.dim(0);
  Value position = iota(lengths.function(), Shape{DType::s32, {batch, tokens, 1}}, 1);
  return convert(lt(position, view(lengths, {batch, 1, 1})), DType::f32);
}

Conv causal_conv(const Policy& policy, Value x, Value window, Value weight, const std::optional<Value>& bias,
                 const Place& place) {
  if (place.phase) return ring_conv(x, window, *place.phase, weight, bias, place.lengths);
  const std::int64_t tokens = x.dim(1), channels = x.dim(2), width = weight.dim(2);
  Value padded = policy.padded_windows && tokens > 1 ? placed(window, 0, tokens) + placed(x, width - 1, 0)
                                                     : concatenate({window, x}, 1);  // [B,K-1+T,F]
  Value taps = transpose(view(weight, {channels, width}), {1, 0});                   // [K,F]
  Value out = slice_axis(padded, 1, 0, tokens) * slice_axis(taps, 0, 0, 1);
  for (std::int64_t k = 1; k < width; ++k)
    out = out + slice_axis(padded, 1, k, k + tokens) * slice_axis(taps, 0, k, k + 1);  // [B,T,F]
  if (bias) out = out + *bias;
  if (tokens == 1) {
    Value moved = gt(view(place.lengths, {x.dim(0), 1, 1}), 0);
    return {out, hlo::where(moved, slice_axis(padded, 1, 1, width), window)};
  }
  return {out, windows_at(padded, place.lengths, width - 1)};
}

}  // namespace adder::model
