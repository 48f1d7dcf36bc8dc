#include "hlo/node.h"

#include <algorithm>
#include <array>

namespace adder::hlo {
namespace {

// Copies, choices and bit operations are not arithmetic.
constexpr std::array<OpInfo, kOpKinds> kTable{{
    {OpKind::abs, "abs", Accepts::signed_number, true},
    {OpKind::ceil, "ceil", Accepts::floating, true},
    {OpKind::cosine, "cosine", Accepts::floating, true},
    {OpKind::exponential, "exponential", Accepts::floating, true},
    {OpKind::exponential_minus_one, "exponential_minus_one", Accepts::floating, true},
    {OpKind::floor, "floor", Accepts::floating, true},
    {OpKind::is_finite, "is_finite", Accepts::floating, false},
    {OpKind::log, "log", Accepts::floating, true},
    {OpKind::log_plus_one, "log_plus_one", Accepts::floating, true},
    {OpKind::logistic, "logistic", Accepts::floating, true},
    {OpKind::negate, "negate", Accepts::number, true},
    {OpKind::not_, "not", Accepts::logical, false},
    {OpKind::round_nearest_even, "round_nearest_even", Accepts::floating, true},
    {OpKind::rsqrt, "rsqrt", Accepts::floating, true},
    {OpKind::sign, "sign", Accepts::signed_number, true},
    {OpKind::sine, "sine", Accepts::floating, true},
    {OpKind::sqrt, "sqrt", Accepts::floating, true},
    {OpKind::tanh, "tanh", Accepts::floating, true},
    {OpKind::add, "add", Accepts::any, true},
    {OpKind::and_, "and", Accepts::logical, false},
    {OpKind::atan2, "atan2", Accepts::floating, true},
    {OpKind::divide, "divide", Accepts::number, true},
    {OpKind::maximum, "maximum", Accepts::any, true},
    {OpKind::minimum, "minimum", Accepts::any, true},
    {OpKind::multiply, "multiply", Accepts::any, true},
    {OpKind::or_, "or", Accepts::logical, false},
    {OpKind::power, "power", Accepts::number, true},
    {OpKind::remainder, "remainder", Accepts::number, true},
    {OpKind::shift_left, "shift_left", Accepts::integer, false},
    {OpKind::shift_right_arithmetic, "shift_right_arithmetic", Accepts::integer, false},
    {OpKind::shift_right_logical, "shift_right_logical", Accepts::integer, false},
    {OpKind::subtract, "subtract", Accepts::number, true},
    {OpKind::xor_, "xor", Accepts::logical, false},
    {OpKind::compare, "compare", Accepts::any, false},
    {OpKind::select, "select", Accepts::any, false},
    {OpKind::clamp, "clamp", Accepts::any, true},
    {OpKind::convert, "convert", Accepts::any, false},
    {OpKind::bitcast_convert, "bitcast_convert", Accepts::any, false},
    {OpKind::constant, "constant", Accepts::any, false},
    {OpKind::iota, "iota", Accepts::any, false},
    {OpKind::broadcast_in_dim, "broadcast_in_dim", Accepts::any, false},
    {OpKind::reshape, "reshape", Accepts::any, false},
    {OpKind::transpose, "transpose", Accepts::any, false},
    {OpKind::reverse, "reverse", Accepts::any, false},
    {OpKind::slice, "slice", Accepts::any, false},
    {OpKind::dynamic_slice, "dynamic_slice", Accepts::any, false},
    {OpKind::dynamic_update_slice, "dynamic_update_slice", Accepts::any, false},
    {OpKind::concatenate, "concatenate", Accepts::any, false},
    {OpKind::pad, "pad", Accepts::any, false},
    {OpKind::gather, "gather", Accepts::any, false},
    {OpKind::scatter, "scatter", Accepts::any, false},
    {OpKind::dot_general, "dot_general", Accepts::any, false},
    {OpKind::reduce, "reduce", Accepts::any, false},
    {OpKind::reduce_window, "reduce_window", Accepts::any, false},
    {OpKind::sort, "sort", Accepts::any, false},
    {OpKind::top_k, "top_k", Accepts::any, false},
    {OpKind::rng_bit_generator, "rng_bit_generator", Accepts::any, false},
    {OpKind::while_, "while", Accepts::any, false},
    {OpKind::if_, "if", Accepts::any, false},
    {OpKind::call, "call", Accepts::any, false},
    {OpKind::optimization_barrier, "optimization_barrier", Accepts::any, false},
}};
constexpr bool table_is_in_enum_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].kind) != i) return false;
  return true;
}
static_assert(table_is_in_enum_order());

}  // namespace

const OpInfo& info(OpKind kind) { return kTable[static_cast<std::size_t>(kind)]; }

bool accepts(Accepts what, DType dtype) {
  switch (what) {
    case Accepts::any:
      return true;
    case Accepts::number:
      return dtype != DType::i1;
    case Accepts::floating:
      return is_float(dtype);
    case Accepts::signed_number:
      return is_float(dtype) || is_signed_integer(dtype);
    case Accepts::logical:
      return is_integer(dtype) || dtype == DType::i1;
    case Accepts::integer:
      return is_integer(dtype);
  }
  return false;
}

std::uint32_t FunctionBody::intern_scope(const std::string& scope_name) {
  const auto found = std::find(scope_names.begin(), scope_names.end(), scope_name);
  const auto index = static_cast<std::uint32_t>(found - scope_names.begin());
  if (found == scope_names.end()) scope_names.push_back(scope_name);
  return index;
}

ValueId FunctionBody::define(Shape shape) {
  values.push_back({std::move(shape), current().id});
  return static_cast<ValueId>(values.size() - 1);
}

}  // namespace adder::hlo
