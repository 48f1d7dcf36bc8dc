#include "model/reductions.h"

#include "hlo/arith.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr std::int64_t kLargestFactor = 31, kFewRows = 8;

/// `size` as a product of factors up to kLargestFactor; empty where there is none.
Dims factors(std::int64_t size) {
  Dims out;
  while (size > kLargestFactor) {
    std::int64_t factor = kLargestFactor;
    while (factor > 1 && size % factor != 0) --factor;
    if (factor == 1) return {};
    out.push_back(factor);
    size /= factor;
  }
  out.push_back(size);
  return out;
}

Value reduce_rows(Value x, Reduction reduction) {
  Dims kept = x.dims();
  const std::int64_t inputs = kept.back(), rows = x.shape().elements() / inputs;
  kept.back() = 1;
  const Dims cut = rows <= kFewRows ? factors(inputs) : Dims{};
  if (cut.empty()) return view(reduce(x, reduction, {x.rank() - 1}), kept);
  Dims dims{rows}, axes;
  for (const std::int64_t factor : cut) {
    axes.push_back(static_cast<std::int64_t>(dims.size()));
    dims.push_back(factor);
  }
  return view(reduce(view(x, dims), reduction, axes), kept);
}

}  // namespace

Value row_sum(Value x) { return reduce_rows(x, Reduction::add); }
Value row_max_abs(Value x) { return reduce_rows(abs(x), Reduction::maximum); }

}  // namespace adder::model
