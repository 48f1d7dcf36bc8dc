#pragma once

// StableHLO ops as free functions spelled exactly as in the specification. Operands must match as the
// specification demands (no implicit broadcasting here: see arith.h). A wrong shape throws BuildError at the
// caller's line. Each op appends to the region its function is currently building.

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "hlo/module.h"

namespace adder::hlo {

using Values = std::vector<Value>;

// --- constants ------------------------------------------------------------------------------------------
/// Every element equal to `value` (rounded to the dtype); dims empty for a scalar.
Value constant(Function& f, DType dtype, double value, Dims dims = {}, Loc loc = Loc::current());
/// Exact integer splat, for u64/s64 values that a double cannot hold.
Value constant_int(Function& f, DType dtype, std::int64_t value, Dims dims = {}, Loc loc = Loc::current());
/// Dense constants; elements in row-major order, count must equal the product of dims.
Value constant(Function& f, std::span<const float> values, Dims dims, Loc loc = Loc::current());
Value constant(Function& f, std::span<const std::int32_t> values, Dims dims, Loc loc = Loc::current());
Value iota(Function& f, Shape shape, std::int64_t iota_dimension, Loc loc = Loc::current());

// --- elementwise unary ----------------------------------------------------------------------------------
Value abs(Value x, Loc loc = Loc::current());
Value ceil(Value x, Loc loc = Loc::current());
Value cosine(Value x, Loc loc = Loc::current());
Value exponential(Value x, Loc loc = Loc::current());
Value exponential_minus_one(Value x, Loc loc = Loc::current());
Value floor(Value x, Loc loc = Loc::current());
Value is_finite(Value x, Loc loc = Loc::current());
Value log(Value x, Loc loc = Loc::current());
Value log_plus_one(Value x, Loc loc = Loc::current());
Value logistic(Value x, Loc loc = Loc::current());
Value negate(Value x, Loc loc = Loc::current());
Value not_(Value x, Loc loc = Loc::current());
Value round_nearest_even(Value x, Loc loc = Loc::current());
Value rsqrt(Value x, Loc loc = Loc::current());
Value sign(Value x, Loc loc = Loc::current());
Value sine(Value x, Loc loc = Loc::current());
Value sqrt(Value x, Loc loc = Loc::current());
Value tanh(Value x, Loc loc = Loc::current());

// --- elementwise binary and ternary: same shapes
// ------------------------------------------------------------
Value add(Value lhs, Value rhs, Loc loc = Loc::current());
Value and_(Value lhs, Value rhs, Loc loc = Loc::current());
Value atan2(Value lhs, Value rhs, Loc loc = Loc::current());
Value divide(Value lhs, Value rhs, Loc loc = Loc::current());
Value maximum(Value lhs, Value rhs, Loc loc = Loc::current());
Value minimum(Value lhs, Value rhs, Loc loc = Loc::current());
Value multiply(Value lhs, Value rhs, Loc loc = Loc::current());
Value or_(Value lhs, Value rhs, Loc loc = Loc::current());
Value power(Value lhs, Value rhs, Loc loc = Loc::current());
Value remainder(Value lhs, Value rhs, Loc loc = Loc::current());
Value shift_left(Value lhs, Value rhs, Loc loc = Loc::current());
Value shift_right_arithmetic(Value lhs, Value rhs, Loc loc = Loc::current());
Value shift_right_logical(Value lhs, Value rhs, Loc loc = Loc::current());
Value subtract(Value lhs, Value rhs, Loc loc = Loc::current());
Value xor_(Value lhs, Value rhs, Loc loc = Loc::current());

enum class Comparison { EQ, NE, GE, GT, LE, LT };
/// i1 of the operands' dims. Compare type (FLOAT, SIGNED, UNSIGNED) follows from the dtype.
Value compare(Value lhs, Value rhs, Comparison direction, Loc loc = Loc::current());
/// `pred` i1 with the dims of the others, or a scalar.
Value select(Value pred, Value on_true, Value on_false, Loc loc = Loc::current());
/// `min` and `max` of the operand's shape, or scalars.
Value clamp(Value min, Value operand, Value max, Loc loc = Loc::current());
Value convert(Value operand, DType to, Loc loc = Loc::current());
/// Same width reinterpretation only (u32 <-> f32, s32 <-> f32, ...).
Value bitcast_convert(Value operand, DType to, Loc loc = Loc::current());

// --- shape ----------------------------------------------------------------------------------------------
Value broadcast_in_dim(Value operand, Dims result_dims, Dims broadcast_dimensions, Loc loc = Loc::current());
Value reshape(Value operand, Dims dims, Loc loc = Loc::current());
Value transpose(Value operand, Dims permutation, Loc loc = Loc::current());
Value reverse(Value operand, Dims dimensions, Loc loc = Loc::current());
/// Empty strides mean 1 everywhere.
Value slice(Value operand, Dims start_indices, Dims limit_indices, Dims strides = {},
            Loc loc = Loc::current());
/// One scalar integer index a dimension; clamped by the op so that the slice fits.
Value dynamic_slice(Value operand, const Values& start_indices, Dims slice_sizes, Loc loc = Loc::current());
Value dynamic_update_slice(Value operand, Value update, const Values& start_indices,
                           Loc loc = Loc::current());
Value concatenate(const Values& inputs, std::int64_t dimension, Loc loc = Loc::current());
/// Empty interior means 0 everywhere; edge padding may be negative.
Value pad(Value operand, Value padding_value, Dims edge_low, Dims edge_high, Dims interior = {},
          Loc loc = Loc::current());

struct GatherDims {
  Dims offset_dims = {}, collapsed_slice_dims = {}, operand_batching_dims = {},
       start_indices_batching_dims = {}, start_index_map = {};
  std::int64_t index_vector_dim = 0;
};
Value gather(Value operand, Value start_indices, const GatherDims& dims, Dims slice_sizes,
             bool indices_are_sorted = false, Loc loc = Loc::current());

struct ScatterDims {
  Dims update_window_dims = {}, inserted_window_dims = {}, input_batching_dims = {},
       scatter_indices_batching_dims = {}, scatter_dims_to_operand_dims = {};
  std::int64_t index_vector_dim = 0;
};
/// How an update meets what is there. `replace` keeps the update.
enum class Combine { replace, add, minimum, maximum, multiply };
Value scatter(Value input, Value scatter_indices, Value updates, const ScatterDims& dims, Combine combine,
              bool unique_indices = false, Loc loc = Loc::current());

// --- linear algebra ---------------------------------------------------------------------------------------
struct DotDims {
  Dims lhs_batching = {}, rhs_batching = {}, lhs_contracting = {}, rhs_contracting = {};
};
/// DEFAULT lets the device choose (TF32, bf16 passes); HIGHEST asks for full float32 products.
enum class Precision { DEFAULT, HIGH, HIGHEST };
struct DotOptions {
  Precision precision = Precision::HIGHEST;
  /// Accumulation and result type; unset: the operands' (s8 x s8 with s32 here, bf16 x bf16 with f32).
  std::optional<DType> result_dtype;
};
/// Result dims: batching, lhs free, rhs free.
Value dot_general(Value lhs, Value rhs, const DotDims& dims, DotOptions options = {},
                  Loc loc = Loc::current());

enum class Reduction { add, maximum, minimum, multiply, and_, or_ };
/// Reduces over `dimensions` (which disappear), from the reduction's neutral element.
Value reduce(Value operand, Reduction reduction, Dims dimensions, Loc loc = Loc::current());
/// General form: N operands of one dims, N scalar inits; `body(lhs..., rhs...)` gives N scalars. The bodies
/// of reduce, scatter and sort may use only their arguments and constants they make themselves.
Values reduce(const Values& operands, const Values& inits, Dims dimensions,
              const std::function<Values(const Values& lhs, const Values& rhs)>& body,
              Loc loc = Loc::current());

struct WindowDims {
  Dims window_dimensions = {}, window_strides = {}, padding_low = {}, padding_high = {};
};
/// One operand; from the reduction's neutral element. Empty strides mean 1, empty padding 0.
Value reduce_window(Value operand, Reduction reduction, const WindowDims& window, Loc loc = Loc::current());

/// Sorts all operands together along one dimension; comparator gets (lhs0, rhs0, lhs1, rhs1, ...) scalars.
Values sort(const Values& operands, std::int64_t dimension, bool is_stable,
            const std::function<Value(const Values&)>& comparator, Loc loc = Loc::current());
/// chlo.top_k along the last dimension: values descending and their s32 indices (lowest index first on ties).
std::pair<Value, Value> top_k(Value operand, std::int64_t k, Loc loc = Loc::current());

enum class RngAlgorithm { DEFAULT, THREE_FRY, PHILOX };
/// `state` u64[2] (THREE_FRY) or u64[2]/u64[3] (PHILOX); returns the new state and uniform bits of `shape`.
std::pair<Value, Value> rng_bit_generator(Value state, Shape shape, RngAlgorithm algorithm,
                                          Loc loc = Loc::current());

// --- control --------------------------------------------------------------------------------------------
/// General loop. Regions may use values defined outside (captured). Shapes of body results equal the inits'.
Values while_(const Values& init, const std::function<Value(const Values&)>& cond,
              const std::function<Values(const Values&)>& body, Loc loc = Loc::current());
/// A loop with a trip count known now: i = 0 .. n-1 as an s32 scalar. Counted n times by Cost.
Values fori(Function& f, std::int64_t n, const Values& init,
            const std::function<Values(Value i, const Values&)>& body, Loc loc = Loc::current());
/// Two-way conditional on a scalar i1; both branches give the same shapes.
Values if_(Value pred, const std::function<Values()>& on_true, const std::function<Values()>& on_false,
           Loc loc = Loc::current());
/// func.call of a finished private function of the same module.
Values call(const Function& callee, const Values& arguments, Loc loc = Loc::current());
Values optimization_barrier(const Values& operands, Loc loc = Loc::current());

}  // namespace adder::hlo
