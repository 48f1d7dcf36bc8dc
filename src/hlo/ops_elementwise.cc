// Constants and ops that work element by element.

#include <cstring>

#include "hlo/build.h"
#include "hlo/literal.h"

namespace adder::hlo {
namespace {

Value elementwise(OpKind kind, Values operands, Loc loc) {
  OpBuilder op(kind, std::move(operands), loc);
  return op.one(NoAttributes{}, op.checked([&] { return infer_elementwise(kind, op.shapes()); }));
}

template <class Encode>
Value splat(Function& f, DType dtype, Dims dims, Encode encode, Loc loc) {
  OpBuilder op(OpKind::constant, f, {}, loc);
  ConstantAttributes a{{dtype, std::move(dims)}, true, op.checked(encode)};
  Shape shape = op.checked([&] { return infer(a, {}); });
  return op.one(std::move(a), std::move(shape));
}

template <class T>
Value dense(Function& f, std::span<const T> values, Dims dims, Loc loc) {
  OpBuilder op(OpKind::constant, f, {}, loc);
  std::string bytes(values.size_bytes(), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  ConstantAttributes a{{dtype_of<T>(), std::move(dims)}, false, std::move(bytes)};
  Shape shape = op.checked([&] { return infer(a, {}); });
  return op.one(std::move(a), std::move(shape));
}

}  // namespace

Value constant(Function& f, DType dtype, double value, Dims dims, Loc loc) {
  return splat(
      f, dtype, std::move(dims), [&] { return encode(dtype, value); }, loc);
}
Value constant_int(Function& f, DType dtype, std::int64_t value, Dims dims, Loc loc) {
  return splat(
      f, dtype, std::move(dims), [&] { return encode_int(dtype, value); }, loc);
}
Value constant(Function& f, std::span<const float> values, Dims dims, Loc loc) {
  return dense(f, values, std::move(dims), loc);
}
Value constant(Function& f, std::span<const std::int32_t> values, Dims dims, Loc loc) {
  return dense(f, values, std::move(dims), loc);
}
Value iota(Function& f, Shape shape, std::int64_t iota_dimension, Loc loc) {
  OpBuilder op(OpKind::iota, f, {}, loc);
  IotaAttributes a{std::move(shape), iota_dimension};
  Shape result = op.checked([&] { return infer(a, {}); });
  return op.one(std::move(a), std::move(result));
}

Value abs(Value x, Loc loc) { return elementwise(OpKind::abs, {x}, loc); }
Value ceil(Value x, Loc loc) { return elementwise(OpKind::ceil, {x}, loc); }
Value cosine(Value x, Loc loc) { return elementwise(OpKind::cosine, {x}, loc); }
Value exponential(Value x, Loc loc) { return elementwise(OpKind::exponential, {x}, loc); }
Value exponential_minus_one(Value x, Loc loc) { return elementwise(OpKind::exponential_minus_one, {x}, loc); }
Value floor(Value x, Loc loc) { return elementwise(OpKind::floor, {x}, loc); }
Value is_finite(Value x, Loc loc) { return elementwise(OpKind::is_finite, {x}, loc); }
Value log(Value x, Loc loc) { return elementwise(OpKind::log, {x}, loc); }
Value log_plus_one(Value x, Loc loc) { return elementwise(OpKind::log_plus_one, {x}, loc); }
Value logistic(Value x, Loc loc) { return elementwise(OpKind::logistic, {x}, loc); }
Value negate(Value x, Loc loc) { return elementwise(OpKind::negate, {x}, loc); }
Value not_(Value x, Loc loc) { return elementwise(OpKind::not_, {x}, loc); }
Value round_nearest_even(Value x, Loc loc) { return elementwise(OpKind::round_nearest_even, {x}, loc); }
Value rsqrt(Value x, Loc loc) { return elementwise(OpKind::rsqrt, {x}, loc); }
Value sign(Value x, Loc loc) { return elementwise(OpKind::sign, {x}, loc); }
Value sine(Value x, Loc loc) { return elementwise(OpKind::sine, {x}, loc); }
Value sqrt(Value x, Loc loc) { return elementwise(OpKind::sqrt, {x}, loc); }
Value tanh(Value x, Loc loc) { return elementwise(OpKind::tanh, {x}, loc); }

Value add(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::add, {lhs, rhs}, loc); }
Value and_(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::and_, {lhs, rhs}, loc); }
Value atan2(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::atan2, {lhs, rhs}, loc); }
Value divide(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::divide, {lhs, rhs}, loc); }
Value maximum(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::maximum, {lhs, rhs}, loc); }
Value minimum(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::minimum, {lhs, rhs}, loc); }
Value multiply(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::multiply, {lhs, rhs}, loc); }
Value or_(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::or_, {lhs, rhs}, loc); }
Value power(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::power, {lhs, rhs}, loc); }
Value remainder(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::remainder, {lhs, rhs}, loc); }
Value shift_left(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::shift_left, {lhs, rhs}, loc); }
Value shift_right_arithmetic(Value lhs, Value rhs, Loc loc) {
  return elementwise(OpKind::shift_right_arithmetic, {lhs, rhs}, loc);
}
Value shift_right_logical(Value lhs, Value rhs, Loc loc) {
  return elementwise(OpKind::shift_right_logical, {lhs, rhs}, loc);
}
Value subtract(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::subtract, {lhs, rhs}, loc); }
Value xor_(Value lhs, Value rhs, Loc loc) { return elementwise(OpKind::xor_, {lhs, rhs}, loc); }

Value compare(Value lhs, Value rhs, Comparison direction, Loc loc) {
  return append(OpKind::compare, {lhs, rhs}, CompareAttributes{direction, lhs.dtype()}, loc);
}
Value select(Value pred, Value on_true, Value on_false, Loc loc) {
  return elementwise(OpKind::select, {pred, on_true, on_false}, loc);
}
Value clamp(Value min, Value operand, Value max, Loc loc) {
  return elementwise(OpKind::clamp, {min, operand, max}, loc);
}
Value convert(Value operand, DType to, Loc loc) {
  return append(OpKind::convert, {operand}, ConvertAttributes{to}, loc);
}
Value bitcast_convert(Value operand, DType to, Loc loc) {
  return append(OpKind::bitcast_convert, {operand}, BitcastAttributes{to}, loc);
}

}  // namespace adder::hlo
