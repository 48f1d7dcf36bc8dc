#include "model/layers.h"

#include "hlo/arith.h"
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

namespace {

/// 1 / sqrt(mean(x^2) + eps) over the last axis, kept as size 1.
Value inverse_rms(Value x, double eps) {
  return rsqrt(row_sum_of_squares(x) / static_cast<double>(x.dim(-1)) + eps);
}

}  // namespace

Value rms_norm(Value x, Value weight, double eps) { return x * inverse_rms(x, eps) * weight; }

Value gated_rms_norm(Value y, Value z, const std::optional<Value>& weight, std::int64_t groups, double eps) {
  Value gated = y * silu(z);  // [B,T,E]
  gated = once(gated);
  if (!weight) return gated;
  Dims grouped = gated.dims();
  const std::int64_t inner = grouped.back();
  grouped.back() = groups;
  grouped.push_back(inner / groups);
  Value g = view(gated, grouped);  // [B,T,G,E/G]
  return view(g * inverse_rms(g, eps), gated.dims()) * *weight;
}

namespace {

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

Conv causal_conv(Value x, Value window, Value weight, const std::optional<Value>& bias, Value lengths) {
  const std::int64_t tokens = x.dim(1), channels = x.dim(2), width = weight.dim(2);
  Value padded = concatenate({window, x}, 1);                       // [B,K-1+T,F]
  Value taps = transpose(view(weight, {channels, width}), {1, 0});  // [K,F]
  Value out = slice_axis(padded, 1, 0, tokens) * slice_axis(taps, 0, 0, 1);
  for (std::int64_t k = 1; k < width; ++k)
    out = out + slice_axis(padded, 1, k, k + tokens) * slice_axis(taps, 0, k, k + 1);  // [B,T,F]
  if (bias) out = out + *bias;
  if (tokens == 1) {
    Value moved = gt(view(lengths, {x.dim(0), 1, 1}), 0);
    return {out, hlo::where(moved, slice_axis(padded, 1, 1, width), window)};
  }
  return {out, windows_at(padded, lengths, width - 1)};
}

}  // namespace adder::model
