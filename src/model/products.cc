#include "model/products.h"

#include <array>

#include "hlo/arith.h"
#include "model/reductions.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr Spelling plain(std::string_view name, std::int64_t parts, std::int64_t repeat) {
  return {.name = name, .parts = parts, .repeat = repeat};
}
constexpr Spelling first(std::string_view name, std::int64_t parts, std::int64_t repeat) {
  return {.name = name, .parts = parts, .repeat = repeat, .weights_first = true};
}
constexpr Spelling lanes(std::string_view name, std::int64_t terms) { return {.name = name, .terms = terms}; }

// Weights first with one row and parts is how XLA's matrix-vector code is reached for a batch.
constexpr std::array kFloat32{plain("plain", 1, 1), first("parts2", 2, 1), first("parts4", 4, 1),
                              first("parts8", 8, 1)};
constexpr std::array kBfloat16{plain("plain", 1, 1),  plain("rows2", 1, 2),   plain("rows4", 1, 4),
                               first("first4", 1, 4), plain("rows2x2", 2, 2), first("first4x8", 8, 4),
                               lanes("lanes16", 16),  lanes("lanes20", 20),   lanes("lanes24", 24),
                               lanes("lanes32", 32)};
constexpr std::array kInt8{plain("plain", 1, 1),      plain("rows2", 1, 2),      first("first2", 1, 2),
                           first("first2x4", 4, 2),   first("first2x6", 6, 2),   first("first2x8", 8, 2),
                           first("first2x12", 12, 2), first("first2x16", 16, 2), first("first4x28", 28, 4),
                           lanes("lanes16", 16),      lanes("lanes20", 20),      lanes("lanes24", 24)};

/// `weight`, in a way that depends on x: else XLA expands all of a model's weights to float32 before a loop
/// of steps, where they need not fit, and reads those in each. No bit changes where x [1,I] is a row of
/// numbers, or of what quantise_rows gives.
Value of_this_step(Value weight, Value x) {
  Value first = view(slice(x, {0, 0}, {1, 1}), {});
  Value never = weight.dtype() == DType::s8 ? eq(first, -128) : ne(first, first);
  return select(never, zeros(x.function(), weight.shape()), weight);
}

/// x [1,I], weight [O,I] -> [1,O], float32 for bfloat16 and int32 for int8, lane by lane.
Value by_lanes(const Spelling& s, Value x, Value weight) {
  const std::int64_t outputs = weight.dim(0), pieces = weight.dim(1) / (s.terms * Spelling::kLanes);
  Dims cut{s.terms, Spelling::kLanes};
  if (pieces > 1) cut.insert(cut.begin(), pieces);  // an axis of one would get a layout of its own
  Dims rows = cut;
  rows.insert(rows.begin(), outputs);
  Value terms = convert(view(of_this_step(weight, x), rows), DType::f32) *
                broadcast_to(view(convert(once(x), DType::f32), cut), rows);
  Value partial = view(loop_sum(terms, -2), {outputs, pieces, Spelling::kLanes});
  if (weight.dtype() != DType::s8)
    return view(reduce(view(partial, {outputs, pieces * Spelling::kLanes}), Reduction::add, {1}),
                {1, outputs});
  // Sums of a piece are integers below 2^24, which float32 holds; beyond that they are added as integers.
  Value sums = convert(reduce(partial, Reduction::add, {2}), DType::s32);  // [O,G]
  return view(pieces == 1 ? sums : reduce(sums, Reduction::add, {1}), {1, outputs});
}

/// x [R,I] repeated -> [n·R,I].
Value repeated(Value x, std::int64_t n) {
  const std::int64_t rows = x.dim(0), inputs = x.dim(1);
  if (n == 1 || rows == 1) return broadcast_to(x, {n * rows, inputs});
  return view(broadcast_to(view(x, {1, rows, inputs}), {n, rows, inputs}), {n * rows, inputs});
}

/// x [R,I], weight [O,I] -> [R,O] in the type that `options` accumulates in.
Value spelled(const Spelling& s, Value x, Value weight, const DotOptions& options) {
  if (s.terms != 0) return by_lanes(s, x, weight);
  const std::int64_t rows = x.dim(0), outputs = weight.dim(0), inputs = weight.dim(1);
  if (s.parts * s.repeat > 2) x = once(x);  // not in each copy
  if (!s.weights_first && s.parts == 1) {
    // Both sides contract their last dimension: the spelling that CPU plugins read at memory speed.
    Value y =
        dot_general(repeated(x, s.repeat), weight, {.lhs_contracting = {1}, .rhs_contracting = {1}}, options);
    return s.repeat == 1 ? y : slice_axis(y, 0, 0, rows);
  }
  Value parts = view(weight, {s.parts, outputs / s.parts, inputs});
  if (s.repeat * rows == 1) {
    Value y = dot_general(
        parts, broadcast_to(x, {s.parts, inputs}),
        {.lhs_batching = {0}, .rhs_batching = {0}, .lhs_contracting = {2}, .rhs_contracting = {1}}, options);
    return view(y, {1, outputs});
  }
  const std::int64_t all = s.repeat * rows;
  Value each = broadcast_to(view(rows == 1 ? x : repeated(x, s.repeat), {1, rows == 1 ? 1 : all, inputs}),
                            {s.parts, all, inputs});
  const DotDims dims{
      .lhs_batching = {0}, .rhs_batching = {0}, .lhs_contracting = {2}, .rhs_contracting = {2}};
  if (!s.weights_first) {
    Value y = slice_axis(dot_general(each, parts, dims, options), 1, 0, rows);  // [parts,R,O/parts]
    return view(rows == 1 ? y : transpose(y, {1, 0, 2}), {rows, outputs});
  }
  Value y = slice_axis(dot_general(parts, each, dims, options), 2, 0, rows);  // [parts,O/parts,R]
  return rows == 1 ? view(y, {1, outputs}) : transpose(view(y, {outputs, rows}), {1, 0});
}

struct Quantised {
  Value values;  ///< s8 [R,I]
  Value scale;   ///< [R,1]
};
Quantised quantise_rows(const Policy& policy, Value x) {
  // A row of zeros stays one. Divided element by element: a reciprocal would be a program of its own.
  Value scale = row_max_abs(policy, x, 1e-30F) * (1.0 / 127.0);
  return {convert(round_nearest_even(x / scale), DType::s8), scale};
}

/// `multiply(x, weight, options)` with the conversions that the weights' type asks for.
template <class Multiply>
Value with_types(const Policy& policy, Value x, const Matrix<Value>& w, Multiply&& multiply) {
  if (w.weight.dtype() == DType::s8 && policy.int8_activations) {
    const Quantised q = quantise_rows(policy, x);
    Value sums =
        multiply(q.values, w.weight, DotOptions{.precision = Precision::DEFAULT, .result_dtype = DType::s32});
    return convert(sums, DType::f32) * q.scale * *w.scale;
  }
  const DotOptions options{.precision = policy.precision, .result_dtype = DType::f32};
  if (w.weight.dtype() == DType::s8)
    return multiply(convert(x, DType::bf16), convert(w.weight, DType::bf16), options) * *w.scale;
  return multiply(w.weight.dtype() == DType::f32 ? x : convert(x, w.weight.dtype()), w.weight, options);
}

}  // namespace

std::span<const Spelling> spellings(DType weight) {
  if (weight == DType::s8) return kInt8;
  if (weight == DType::bf16) return kBfloat16;
  return kFloat32;
}

std::optional<Spelling> find_spelling(DType weight, std::string_view name) {
  for (const Spelling& s : spellings(weight))
    if (s.name == name) return s;
  return std::nullopt;
}

std::string product_key(std::int64_t rows, const Shape& weight) {
  return rows == 1 ? to_string(weight) : std::to_string(rows) + " x " + to_string(weight);
}

Spelling Policy::spelling_of(std::int64_t rows, const Shape& weight) const {
  if (const auto found = spelling.find(product_key(rows, weight)); found != spelling.end())
    return found->second;
  if (const auto found = otherwise.find(weight.dtype);
      rows == 1 && found != otherwise.end() && found->second.applies(rows, weight))
    return found->second;
  return spellings(weight.dtype).front();
}

Value spelled_product(const Policy& policy, const Spelling& spelling, Value x, const Matrix<Value>& w) {
  return with_types(policy, x, w, [&](Value rows, Value weight, const DotOptions& options) {
    return spelled(spelling, rows, weight, options);
  });
}

Value product(const Policy& policy, Value x, const Matrix<Value>& w) {
  return spelled_product(policy, policy.spelling_of(x.dim(0), w.weight.shape()), x, w);
}

}  // namespace adder::model
