#include "hlo/arith.h"
#include "ssm/dims.h"
#include "ssm/recurrence.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

Scan scan_step(const Recurrence& r, Value state) {
  const Sizes d = sizes_of(r, state);
  if (d.t != 1)
    throw BuildError("ssm::scan_step", "takes one token, got " + std::to_string(d.t), Loc::current());
  const Dims grouped{d.b, d.g, d.r, d.p, d.n};
  Value s = view(state, grouped);  // [B,G,R,P,N]
  Value decay = view(exponential(r.log_decay), {d.b, d.g, d.r, 1, 1});
  Value u = view(r.input, {d.b, d.g, d.r, d.p, 1});
  Value b = view(r.key, {d.b, d.g, 1, 1, d.n});
  Value c = view(r.query, {d.b, d.g, 1, 1, d.n});
  Value next = decay * s + u * b;  // [B,G,R,P,N]
  Value y = sum(next * c, -1);     // [B,G,R,P]
  return {view(y, {d.b, 1, d.h, d.p}), view(next, {d.b, d.h, d.p, d.n})};
}

Scan scan(const Recurrence& r, Value state) {
  const std::int64_t tokens = r.input.dim(1);
  return tokens == 1 ? scan_step(r, state) : scan_chunked(r, state, default_chunk(tokens));
}

}  // namespace adder::ssm
