#include "model/reductions.h"

#include <bit>
#include <functional>

#include "hlo/arith.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr std::int64_t kLongest = 31, kFewRows = 8;

/// `size` as a product of factors up to kLongest; empty where there is none.
Dims factors(std::int64_t size) {
  Dims out;
  while (size > kLongest) {
    std::int64_t factor = kLongest;
    while (factor > 1 && size % factor != 0) --factor;
    if (factor == 1) return {};
    out.push_back(factor);
    size /= factor;
  }
  out.push_back(size);
  return out;
}

/// Reduces the last axis of x, whose elements are >= 0, in steps of kLongest at most. `keep` leaves such
/// values as they are; it stands between the steps so that the compiler does not merge them.
Value reduce_rows(const Policy& policy, Value x, Reduction reduction,
                  const std::function<Value(Value)>& keep) {
  Dims kept = x.dims();
  const std::int64_t inputs = kept.back(), rows = x.shape().elements() / inputs;
  kept.back() = 1;
  const Dims cut = policy.nested_sums && rows <= kFewRows ? factors(inputs) : Dims{};
  if (cut.empty()) return view(reduce(x, reduction, {x.rank() - 1}), kept);
  Dims dims{rows};
  dims.insert(dims.end(), cut.begin(), cut.end());
  Value y = view(x, dims);
  for (std::size_t i = 0; i < cut.size(); ++i) {
    y = reduce(y, reduction, {y.rank() - 1});
    if (i + 1 < cut.size()) y = keep(y);
  }
  return view(y, kept);
}

}  // namespace

Value row_sum_of_squares(const Policy& policy, Value x) {
  return reduce_rows(policy, x * x, Reduction::add, [](Value y) { return hlo::max(y, 0); });
}

Value row_max_abs(const Policy& policy, Value x, float least) {
  const auto bits = [&](std::int64_t pattern, const Dims& dims) {
    return constant_int(x.function(), DType::s32, pattern, dims);
  };
  const auto magnitude = [&](Value y) { return and_(y, bits(0x7FFFFFFF, y.dims())); };
  Value largest =
      reduce_rows(policy, magnitude(bitcast_convert(x, DType::s32)), Reduction::maximum, magnitude);
  return bitcast_convert(maximum(largest, bits(std::bit_cast<std::int32_t>(least), largest.dims())),
                         DType::f32);
}

Value once(Value x) { return optimization_barrier({x})[0]; }
Value once(const Policy& policy, Value x) { return policy.barriers ? once(x) : x; }

}  // namespace adder::model
