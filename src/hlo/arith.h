#pragma once

// Arithmetic that reads as mathematics: operators and functions with numpy broadcasting (dimensions aligned
// from the last; size 1 or missing stretches) and plain numbers. Dtypes must agree; numbers take the other
// side's. Everything lowers to the strict ops of ops.h.

#include "hlo/ops.h"

namespace adder::hlo {

/// A Value, or a number that becomes a scalar of the other operand's dtype. Captures the caller's line.
class Operand {
 public:
  Operand(Value value, Loc loc = Loc::current()) : value_(value), loc_(loc) {}  // NOLINT: implicit by design
  Operand(double number, Loc loc = Loc::current()) : number_(number), loc_(loc) {}  // NOLINT
  const std::optional<Value>& value() const { return value_; }
  double number() const { return number_; }
  const Loc& loc() const { return loc_; }

 private:
  std::optional<Value> value_;
  double number_ = 0;
  Loc loc_;
};

Value operator+(Operand lhs, Operand rhs);
Value operator-(Operand lhs, Operand rhs);
Value operator*(Operand lhs, Operand rhs);
Value operator/(Operand lhs, Operand rhs);
Value operator-(Operand x);
// Comparisons are named, so that == keeps its C++ meaning elsewhere.
Value eq(Operand lhs, Operand rhs);
Value ne(Operand lhs, Operand rhs);
Value lt(Operand lhs, Operand rhs);
Value le(Operand lhs, Operand rhs);
Value gt(Operand lhs, Operand rhs);
Value ge(Operand lhs, Operand rhs);
Value max(Operand lhs, Operand rhs);
Value min(Operand lhs, Operand rhs);
Value where(Value pred, Operand on_true, Operand on_false);  ///< select with broadcasting of all three

/// Stretches to `dims`, aligned from the last dimension.
Value broadcast_to(Value x, Dims dims, Loc loc = Loc::current());
/// Inserts a dimension of size 1 before `axis` (negative counts from the end of the result).
Value expand_dims(Value x, std::int64_t axis, Loc loc = Loc::current());
/// reshape with at most one -1.
Value view(Value x, Dims dims, Loc loc = Loc::current());
/// Elements [start, limit) of one axis.
Value slice_axis(Value x, std::int64_t axis, std::int64_t start, std::int64_t limit,
                 Loc loc = Loc::current());
/// Cuts one axis into consecutive pieces whose sizes must add up.
Values split(Value x, const Dims& sizes, std::int64_t axis = -1, Loc loc = Loc::current());
/// Zeros of one shape.
Value zeros(Function& f, Shape shape, Loc loc = Loc::current());

Value sum(Value x, std::int64_t axis, bool keep_dims = false, Loc loc = Loc::current());
/// The same sum of floats, adding by subtracting the negative. XLA's CPU backend hands what it knows as a
/// sum, with the arithmetic before it, to a library; over an axis that is not the last its own loops are ten
/// times faster (docs/PERFORMANCE.md), and this is how to get them.
Value loop_sum(Value x, std::int64_t axis, Loc loc = Loc::current());
Value mean(Value x, std::int64_t axis, bool keep_dims = false, Loc loc = Loc::current());
Value max_over(Value x, std::int64_t axis, bool keep_dims = false, Loc loc = Loc::current());
/// The largest element along the last axis and where it is; the lowest index (s32) wins ties. NaN counts as
/// -inf, so it never wins over a number; a row of nothing but NaN and -inf gives 0. Both come from one
/// reduction that looks at each element once: compilers compute x anew for each op that reads it, rounded
/// otherwise, and an element then need not equal its own maximum. x float32.
struct Largest {
  Value value, index;
};
Largest largest(Value x, Loc loc = Loc::current());
/// The index alone; also of other types.
Value argmax(Value x, Loc loc = Loc::current());
Value silu(Value x, Loc loc = Loc::current());      ///< x·logistic(x)
Value softplus(Value x, Loc loc = Loc::current());  ///< log(1 + e^x) without overflow
/// table [V,D], ids s32 [...] -> [...,D]; ids out of range clamp.
Value take_rows(Value table, Value ids, Loc loc = Loc::current());

}  // namespace adder::hlo
