#include "hlo/arith.h"

#include <fmt/format.h>

#include <limits>

#include "hlo/build.h"
#include "hlo/infer_checks.h"
#include "hlo/literal.h"

namespace adder::hlo {
namespace {

/// Runs pure shape arithmetic on behalf of `op`.
template <class F>
auto checked(const char* op, Loc loc, F&& f) {
  try {
    return f();
  } catch (const ShapeError& e) {
    throw BuildError(op, e.what(), loc);
  }
}

std::int64_t normal_axis(const char* op, std::int64_t axis, std::int64_t rank, const Shape& shape, Loc loc) {
  const std::int64_t i = axis < 0 ? axis + rank : axis;
  if (i < 0 || i >= rank)
    throw BuildError(op, fmt::format("axis {} is not a dimension of {}", axis, to_string(shape)), loc);
  return i;
}

Dims iota_dims(std::int64_t from, std::int64_t to) {
  Dims result;
  for (std::int64_t i = from; i < to; ++i) result.push_back(i);
  return result;
}

Value stretch(const char* op, Value x, const Dims& dims, Loc loc) {
  if (x.dims() == dims) return x;
  const std::int64_t rank = static_cast<std::int64_t>(dims.size());
  if (x.rank() > rank)
    throw BuildError(op, fmt::format("cannot broadcast {} to {}", to_string(x.shape()), to_string(dims)),
                     loc);
  return broadcast_in_dim(x, dims, iota_dims(rank - x.rank(), rank), loc);
}

/// Numbers become scalars of the value's dtype, stretched like any other value.
Value materialize(const char* op, const Operand& x, Value like, const Dims& dims, Loc loc) {
  if (x.value()) return stretch(op, *x.value(), dims, loc);
  return checked(op, loc, [&] { return constant(like.function(), like.dtype(), x.number(), dims, loc); });
}

using Binary = Value (*)(Value, Value, Loc);

Value broadcasting(const char* op, Binary apply, const Operand& lhs, const Operand& rhs) {
  const Loc loc = lhs.value() ? lhs.loc() : rhs.loc();
  if (!lhs.value() && !rhs.value()) throw BuildError(op, "needs at least one tensor, got two numbers", loc);
  const Value like = lhs.value() ? *lhs.value() : *rhs.value();
  const Value other = rhs.value() ? *rhs.value() : like;
  if (like.dtype() != other.dtype())
    throw BuildError(
        op,
        fmt::format("operands differ in dtype: {} and {}", to_string(like.shape()), to_string(other.shape())),
        loc);
  const Dims dims = checked(op, loc, [&] { return infer_broadcast(like.shape(), other.shape()); });
  const Value l = materialize(op, lhs, like, dims, loc);
  return apply(l, materialize(op, rhs, like, dims, loc), loc);
}

template <Comparison direction>
Value compared(Value lhs, Value rhs, Loc loc) {
  return compare(lhs, rhs, direction, loc);
}

Value reduced_axis(const char* op, Value x, Reduction reduction, std::int64_t axis, bool keep_dims, Loc loc) {
  const std::int64_t i = normal_axis(op, axis, x.rank(), x.shape(), loc);
  const Value result = reduce(x, reduction, {i}, loc);
  return keep_dims ? expand_dims(result, i, loc) : result;
}

}  // namespace

Value operator+(Operand lhs, Operand rhs) { return broadcasting("add", add, lhs, rhs); }
Value operator-(Operand lhs, Operand rhs) { return broadcasting("subtract", subtract, lhs, rhs); }
Value operator*(Operand lhs, Operand rhs) { return broadcasting("multiply", multiply, lhs, rhs); }
Value operator/(Operand lhs, Operand rhs) { return broadcasting("divide", divide, lhs, rhs); }
Value operator-(Operand x) {
  if (!x.value()) throw BuildError("negate", "needs a tensor, got a number", x.loc());
  return negate(*x.value(), x.loc());
}
Value eq(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::EQ>, lhs, rhs); }
Value ne(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::NE>, lhs, rhs); }
Value lt(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::LT>, lhs, rhs); }
Value le(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::LE>, lhs, rhs); }
Value gt(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::GT>, lhs, rhs); }
Value ge(Operand lhs, Operand rhs) { return broadcasting("compare", compared<Comparison::GE>, lhs, rhs); }
Value max(Operand lhs, Operand rhs) { return broadcasting("maximum", maximum, lhs, rhs); }
Value min(Operand lhs, Operand rhs) { return broadcasting("minimum", minimum, lhs, rhs); }

Value where(Value pred, Operand on_true, Operand on_false) {
  const Loc loc = on_true.loc();
  if (!on_true.value() && !on_false.value())
    throw BuildError("select", "needs at least one tensor beside the predicate, got two numbers", loc);
  const Value like = on_true.value() ? *on_true.value() : *on_false.value();
  const Value other = on_false.value() ? *on_false.value() : like;
  if (like.dtype() != other.dtype())
    throw BuildError(
        "select",
        fmt::format("branches differ in dtype: {} and {}", to_string(like.shape()), to_string(other.shape())),
        loc);
  const Dims dims = checked("select", loc, [&] {
    return infer_broadcast({like.dtype(), infer_broadcast(like.shape(), other.shape())}, pred.shape());
  });
  const Value t = materialize("select", on_true, like, dims, loc);
  const Value f = materialize("select", on_false, like, dims, loc);
  return select(stretch("select", pred, dims, loc), t, f, loc);
}

Value broadcast_to(Value x, Dims dims, Loc loc) { return stretch("broadcast_to", x, dims, loc); }

Value expand_dims(Value x, std::int64_t axis, Loc loc) {
  const std::int64_t i = normal_axis("expand_dims", axis, x.rank() + 1, x.shape(), loc);
  Dims dims = x.dims();
  dims.insert(dims.begin() + i, 1);
  return reshape(x, std::move(dims), loc);
}

Value view(Value x, Dims dims, Loc loc) {
  std::int64_t known = 1;
  std::int64_t* unknown = nullptr;
  for (std::int64_t& d : dims) {
    if (d != -1) {
      known *= d;
      continue;
    }
    if (unknown)
      throw BuildError(
          "view", fmt::format("{} of {} has more than one -1", to_string(dims), to_string(x.shape())), loc);
    unknown = &d;
  }
  if (unknown) {
    if (known <= 0 || x.shape().elements() % known != 0)
      throw BuildError("view",
                       fmt::format("{} does not divide into {}", to_string(x.shape()), to_string(dims)), loc);
    *unknown = x.shape().elements() / known;
  }
  return x.dims() == dims ? x : reshape(x, std::move(dims), loc);
}

Value slice_axis(Value x, std::int64_t axis, std::int64_t start, std::int64_t limit, Loc loc) {
  const std::size_t i = at(normal_axis("slice_axis", axis, x.rank(), x.shape(), loc));
  Dims starts(x.dims().size(), 0), limits = x.dims();
  starts[i] = start;
  limits[i] = limit;
  return slice(x, std::move(starts), std::move(limits), {}, loc);
}

Values split(Value x, const Dims& sizes, std::int64_t axis, Loc loc) {
  const std::int64_t i = normal_axis("split", axis, x.rank(), x.shape(), loc);
  std::int64_t total = 0;
  for (std::int64_t size : sizes) total += size;
  if (total != x.dim(i))
    throw BuildError(
        "split",
        fmt::format("sizes {} do not add up to dim {} of {}", to_string(sizes), i, to_string(x.shape())),
        loc);
  Values pieces;
  std::int64_t start = 0;
  for (std::int64_t size : sizes) {
    pieces.push_back(slice_axis(x, i, start, start + size, loc));
    start += size;
  }
  return pieces;
}

Value zeros(Function& f, Shape shape, Loc loc) { return constant(f, shape.dtype, 0, shape.dims, loc); }

Value sum(Value x, std::int64_t axis, bool keep_dims, Loc loc) {
  return reduced_axis("sum", x, Reduction::add, axis, keep_dims, loc);
}
Value loop_sum(Value x, std::int64_t axis, Loc loc) {
  const std::int64_t i = normal_axis("loop_sum", axis, x.rank(), x.shape(), loc);
  const auto add_up = [loc](const Values& sum, const Values& term) -> Values {
    return {subtract(sum[0], negate(term[0], loc), loc)};
  };
  return reduce({x}, {constant(x.function(), x.dtype(), 0, {}, loc)}, {i}, add_up, loc)[0];
}
Value mean(Value x, std::int64_t axis, bool keep_dims, Loc loc) {
  const Value total = sum(x, axis, keep_dims, loc);
  const Value count =
      constant(x.function(), x.dtype(), static_cast<double>(x.dim(axis, loc)), total.dims(), loc);
  return divide(total, count, loc);
}
Value max_over(Value x, std::int64_t axis, bool keep_dims, Loc loc) {
  return reduced_axis("max_over", x, Reduction::maximum, axis, keep_dims, loc);
}

namespace {

/// The bits of float32 x as s32 that order as the numbers do, and back: negative numbers' magnitudes are
/// turned round.
Value turn_round(Value bits, Loc loc) {
  Function& f = bits.function();
  const Value magnitude = constant_int(f, DType::s32, 0x7FFFFFFF, bits.dims(), loc);
  const Value zero = constant_int(f, DType::s32, 0, bits.dims(), loc);
  return select(compare(bits, zero, Comparison::LT, loc), xor_(bits, magnitude, loc), bits, loc);
}

}  // namespace

Largest largest(Value x, Loc loc) {
  const std::int64_t axis = normal_axis("largest", -1, x.rank(), x.shape(), loc);
  Function& f = x.function();
  if (x.dtype() != DType::f32)
    throw BuildError("largest", fmt::format("{}, expected float32", to_string(x.shape())), loc);
  constexpr std::int64_t kLast = std::numeric_limits<std::int32_t>::max();
  const auto long_constant = [&](std::int64_t value, const Dims& dims) {
    return constant_int(f, DType::s64, value, dims, loc);
  };
  const Value zero = zeros(f, x.shape(), loc);
  const Value lowest = constant(f, DType::f32, -std::numeric_limits<double>::infinity(), x.dims(), loc);
  x = select(compare(x, x, Comparison::EQ, loc), x, lowest, loc);
  x = select(compare(x, zero, Comparison::EQ, loc), zero, x, loc);  // -0 is no less than 0
  // The number above, the index below, the lower the larger: one integer that orders as the pair does.
  const Value number = convert(turn_round(bitcast_convert(x, DType::s32, loc), loc), DType::s64, loc);
  const Value place =
      subtract(long_constant(kLast, x.dims()), iota(f, {DType::s64, x.dims()}, axis, loc), loc);
  const Value key = reduce(or_(shift_left(number, long_constant(32, x.dims()), loc), place, loc),
                           Reduction::maximum, {axis}, loc);
  const Value above = shift_right_arithmetic(key, long_constant(32, key.dims()), loc);
  const Value below = and_(key, long_constant(kLast, key.dims()), loc);
  return {bitcast_convert(turn_round(convert(above, DType::s32, loc), loc), DType::f32, loc),
          convert(subtract(long_constant(kLast, key.dims()), below, loc), DType::s32, loc)};
}

Value argmax(Value x, Loc loc) {
  if (x.dtype() == DType::f16 || x.dtype() == DType::bf16) x = convert(x, DType::f32, loc);
  if (x.dtype() == DType::f32) return largest(x, loc).index;
  const std::int64_t axis = normal_axis("argmax", -1, x.rank(), x.shape(), loc);
  Function& f = x.function();
  if (!is_integer(x.dtype()))
    throw BuildError("argmax", fmt::format("{}, expected integers or float32", to_string(x.shape())), loc);
  // Two plain reductions, which compilers run in parallel, where one of pairs is a scalar loop.
  const Value best = max_over(x, axis, true, loc);
  const Value index = iota(f, {DType::s32, x.dims()}, axis, loc);
  const Value none = constant_int(f, DType::s32, std::numeric_limits<std::int32_t>::max(), x.dims(), loc);
  const Value is_best = compare(x, broadcast_to(best, x.dims(), loc), Comparison::EQ, loc);
  return reduce(select(is_best, index, none, loc), Reduction::minimum, {axis}, loc);
}

Value silu(Value x, Loc loc) { return multiply(x, logistic(x, loc), loc); }

Value softplus(Value x, Loc loc) {
  const Value zero = constant(x.function(), x.dtype(), 0, x.dims(), loc);
  return add(maximum(x, zero, loc), log_plus_one(exponential(negate(abs(x, loc), loc), loc), loc), loc);
}

Value take_rows(Value table, Value ids, Loc loc) {
  if (table.rank() != 2 || !is_integer(ids.dtype()))
    throw BuildError("take_rows",
                     fmt::format("table {} and ids {}, expected [V,D] and integers", to_string(table.shape()),
                                 to_string(ids.shape())),
                     loc);
  GatherDims dims;
  dims.offset_dims = {ids.rank()};
  dims.collapsed_slice_dims = {0};
  dims.start_index_map = {0};
  dims.index_vector_dim = ids.rank();
  return gather(table, ids, dims, {1, table.dim(1)}, false, loc);
}

}  // namespace adder::hlo
