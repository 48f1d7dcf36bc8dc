#include "model/layers.h"

#include <numeric>

#include "hlo/arith.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// x [1,I], weight [O,I] -> [1,O], the outputs cut into batches of O/splits.
Value split_row_product(Value x, Value weight, std::int64_t splits, const DotOptions& options) {
  while (weight.dim(0) % splits != 0) splits /= 2;
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  Value parts = view(weight, {splits, outputs / splits, inputs});
  Value y = dot_general(
      parts, broadcast_to(x, {splits, inputs}),
      {.lhs_batching = {0}, .rhs_batching = {0}, .lhs_contracting = {2}, .rhs_contracting = {1}}, options);
  return view(y, {1, outputs});
}

}  // namespace

Value linear(const Policy& policy, Value x, Value weight, std::optional<Value> bias) {
  Dims dims = x.dims();
  const std::int64_t inputs = dims.back(), rows = x.shape().elements() / inputs;
  const DotOptions options{.precision = policy.precision, .result_dtype = DType::f32};
  const bool narrow = weight.dtype() != DType::f32;
  Value flat = view(x, {rows, inputs});  // [rows,I]
  if (narrow) flat = convert(flat, weight.dtype());
  Value y;  // [rows,O]
  if (rows == 1 && !narrow && policy.row_splits > 1) {
    y = split_row_product(flat, weight, policy.row_splits, options);
  } else {
    if (rows == 1 && narrow) flat = broadcast_to(flat, {policy.narrow_rows, inputs});
    // Both sides contract their last dimension: the spelling that CPU plugins read at memory speed.
    y = dot_general(flat, weight, {.lhs_contracting = {1}, .rhs_contracting = {1}}, options);
    y = slice_axis(y, 0, 0, rows);
  }
  if (bias) y = y + *bias;
  dims.back() = weight.dim(0);
  return view(y, dims);
}

namespace {

/// 1 / sqrt(mean(x^2) + eps) over the last axis, kept as size 1. The sum of squares is a product: one pass,
/// where compilers split a long reduction into several small programs.
Value inverse_rms(Value x, double eps) {
  Dims batch(static_cast<std::size_t>(x.rank() - 1));
  std::iota(batch.begin(), batch.end(), 0);
  Value squares = dot_general(x, x,
                              {.lhs_batching = batch,
                               .rhs_batching = batch,
                               .lhs_contracting = {x.rank() - 1},
                               .rhs_contracting = {x.rank() - 1}});
  return expand_dims(rsqrt(squares / static_cast<double>(x.dim(-1)) + eps), -1);
}

}  // namespace

Value rms_norm(Value x, Value weight, double eps) { return x * inverse_rms(x, eps) * weight; }

Value gated_rms_norm(Value y, Value z, const std::optional<Value>& weight, std::int64_t groups, double eps) {
  Value gated = y * silu(z);  // [B,T,E]
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
