// Contractions, reductions, sorting and random bits.

#include "hlo/build.h"
#include "hlo/literal.h"

namespace adder::hlo {
namespace {

Value reduced(Reduction reduction, Value lhs, Value rhs, Loc loc) {
  switch (reduction) {
    case Reduction::maximum:
      return maximum(lhs, rhs, loc);
    case Reduction::minimum:
      return minimum(lhs, rhs, loc);
    case Reduction::multiply:
      return multiply(lhs, rhs, loc);
    case Reduction::and_:
      return and_(lhs, rhs, loc);
    case Reduction::or_:
      return or_(lhs, rhs, loc);
    case Reduction::add:
      break;
  }
  return add(lhs, rhs, loc);
}

std::string neutral_bytes(Reduction reduction, DType dtype) {
  switch (reduction) {
    case Reduction::maximum:
      return encode_lowest(dtype);
    case Reduction::minimum:
      return encode_highest(dtype);
    case Reduction::multiply:
      return encode(dtype, 1);
    // All bits set: the highest unsigned value, or -1.
    case Reduction::and_:
      return is_signed_integer(dtype) ? encode_int(dtype, -1) : encode_highest(dtype);
    case Reduction::or_:
    case Reduction::add:
      break;
  }
  return encode(dtype, 0);
}

Value neutral(Reduction reduction, Value like, Loc loc) {
  OpBuilder op(OpKind::constant, like.function(), {}, loc);
  const Shape scalar{like.dtype(), {}};
  return op.one(ConstantAttributes{scalar, true, neutral_bytes(reduction, like.dtype())}, scalar);
}

Shapes scalars(const Values& values, std::size_t copies_in_a_row, std::size_t repeats) {
  Shapes result;
  for (std::size_t r = 0; r < repeats; ++r)
    for (const Value& v : values) result.insert(result.end(), copies_in_a_row, Shape{v.dtype(), {}});
  return result;
}

/// (C6) of reduce: the body gives one scalar of each operand's dtype.
void check_yields(const OpBuilder& op, const Shapes& yields, const Shapes& expected) {
  if (yields.size() != expected.size())
    op.error("the body gives " + std::to_string(yields.size()) + " values, expected " +
             std::to_string(expected.size()));
  for (std::size_t i = 0; i < yields.size(); ++i)
    if (yields[i] != expected[i])
      op.error("value " + std::to_string(i) + " of the body is " + to_string(yields[i]) + ", expected " +
               to_string(expected[i]));
}

}  // namespace

Value dot_general(Value lhs, Value rhs, const DotDims& dims, DotOptions options, Loc loc) {
  return append(OpKind::dot_general, {lhs, rhs}, DotAttributes{dims, options}, loc);
}

Value reduce(Value operand, Reduction reduction, Dims dimensions, Loc loc) {
  return reduce(
             {operand}, {neutral(reduction, operand, loc)}, std::move(dimensions),
             [&](const Values& lhs, const Values& rhs) -> Values {
               return {reduced(reduction, lhs[0], rhs[0], loc)};
             },
             loc)
      .front();
}

Values reduce(const Values& operands, const Values& inits, Dims dimensions,
              const std::function<Values(const Values& lhs, const Values& rhs)>& body, Loc loc) {
  Values all = operands;
  all.insert(all.end(), inits.begin(), inits.end());
  OpBuilder op(OpKind::reduce, all, loc);
  if (operands.size() != inits.size())
    op.error(std::to_string(operands.size()) + " operands and " + std::to_string(inits.size()) + " inits");
  ReduceAttributes attributes{std::move(dimensions)};
  const Shape result = op.checked([&] { return infer(attributes, op.shapes()); });
  const auto n = static_cast<std::ptrdiff_t>(operands.size());
  const Shapes yields = op.region(false, scalars(operands, 1, 2), [&](const Values& v) {
    return body(Values(v.begin(), v.begin() + n), Values(v.begin() + n, v.end()));
  });
  check_yields(op, yields, scalars(operands, 1, 1));
  Shapes results;
  for (const Value& v : operands) results.push_back({v.dtype(), result.dims});
  return op.many(std::move(attributes), std::move(results));
}

Value reduce_window(Value operand, Reduction reduction, const WindowDims& window, Loc loc) {
  ReduceWindowAttributes attributes{window};
  auto fill = [&](Dims& dims, std::int64_t value) {
    if (dims.empty()) dims.assign(operand.dims().size(), value);
  };
  fill(attributes.window.window_strides, 1);
  fill(attributes.window.padding_low, 0);
  fill(attributes.window.padding_high, 0);
  OpBuilder op(OpKind::reduce_window, {operand, neutral(reduction, operand, loc)}, loc);
  Shape result = op.checked([&] { return infer(attributes, op.shapes()); });
  op.region(false, scalars({operand}, 2, 1),
            [&](const Values& v) -> Values { return {reduced(reduction, v[0], v[1], loc)}; });
  return op.one(std::move(attributes), std::move(result));
}

Values sort(const Values& operands, std::int64_t dimension, bool is_stable,
            const std::function<Value(const Values&)>& comparator, Loc loc) {
  OpBuilder op(OpKind::sort, operands, loc);
  SortAttributes attributes{dimension, is_stable};
  op.checked([&] { return infer(attributes, op.shapes()); });
  const Shapes yields =
      op.region(false, scalars(operands, 2, 1), [&](const Values& v) -> Values { return {comparator(v)}; });
  check_yields(op, yields, {Shape{DType::i1, {}}});  // (C5)
  return op.many(std::move(attributes), op.shapes());
}

std::pair<Value, Value> top_k(Value operand, std::int64_t k, Loc loc) {
  OpBuilder op(OpKind::top_k, {operand}, loc);
  TopKAttributes attributes{k};
  Shape values = op.checked([&] { return infer(attributes, op.shapes()); });
  Shape indices{DType::s32, values.dims};
  const Values results = op.many(std::move(attributes), {std::move(values), std::move(indices)});
  return {results[0], results[1]};
}

std::pair<Value, Value> rng_bit_generator(Value state, Shape shape, RngAlgorithm algorithm, Loc loc) {
  OpBuilder op(OpKind::rng_bit_generator, {state}, loc);
  RngAttributes attributes{algorithm, std::move(shape)};
  Shape bits = op.checked([&] { return infer(attributes, op.shapes()); });
  const Values results = op.many(std::move(attributes), {state.shape(), std::move(bits)});
  return {results[0], results[1]};
}

}  // namespace adder::hlo
