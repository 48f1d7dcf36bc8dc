#include "ssm/chunks.h"

#include "hlo/arith.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

Value pad_tokens(Value x, std::int64_t tokens) {
  Dims low(x.rank(), 0), high(x.rank(), 0);
  high[1] = tokens - x.dim(1);
  return high[1] == 0 ? x : pad(x, constant(x.function(), x.dtype(), 0), low, high);
}

std::pair<Value, Value> carry(Value state, Value total, Value z, const Sizes& d, std::int64_t chunks) {
  Values before;  // C times [B,1,H,P,N]
  Value s = view(state, {d.b, 1, d.h, d.p, d.n});
  Value decay = view(exponential(total), {d.b, chunks, d.h, 1, -1});
  for (std::int64_t c = 0; c < chunks; ++c) {
    before.push_back(s);
    s = slice_axis(decay, 1, c, c + 1) * s + slice_axis(z, 1, c, c + 1);
  }
  Value last = view(s, {d.b, d.h, d.p, d.n});
  return {chunks == 1 ? before[0] : concatenate(before, 1), last};
}

}  // namespace adder::ssm
