#include <algorithm>

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "ssm/dims.h"
#include "ssm/recurrence.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// The sum over the last axis, lane by lane first where its size allows.
Value sum_last(Value x, std::int64_t lanes) {
  const std::int64_t n = x.dim(-1);
  if (lanes == 0 || n % lanes != 0 || n == lanes) return sum(x, -1);
  Dims cut = x.dims();
  cut.back() = n / lanes;
  cut.push_back(lanes);
  return sum(loop_sum(view(x, cut), -2), -1);
}

/// x [B,1,G,N] -> [B,H,1,N], each group's row for every head of it.
Value per_head(Value x, const Sizes& d) {
  Value spread = broadcast_to(view(x, {d.b, d.g, 1, d.n}), {d.b, d.g, d.r, d.n});
  return view(spread, {d.b, d.h, 1, d.n});
}

/// exp of the log decay, [B,H,1,1] or [B,H,1,N].
Value step_decay(const Recurrence& r, const Sizes& d) {
  if (r.rate) return exponential(view(r.log_decay, {d.b, d.h, 1, 1}) * view(*r.rate, {d.h, 1, d.n}));
  return view(exponential(r.log_decay), {d.b, d.h, 1, d.per_channel ? d.n : 1});
}

}  // namespace

Scan scan_step(const Recurrence& r, Value state, const Form& form) {
  const Sizes d = sizes_of(r, state);
  if (d.t != 1)
    throw BuildError("ssm::scan_step", "takes one token, got " + std::to_string(d.t), Loc::current());
  const Scope part(state.function(), "update");
  // The update stays in the state's own shape from end to end: only then can a compiler do it in place.
  Value decay = step_decay(r, d);  // [B,H,1,1 or N]
  Value u = view(r.input, {d.b, d.h, d.p, 1});
  Value next = decay * state + u * per_head(r.key, d);          // [B,H,P,N]
  Value y = sum_last(next * per_head(r.query, d), form.lanes);  // [B,H,P]
  return {view(y, {d.b, 1, d.h, d.p}), next};
}

Scan scan(const Recurrence& r, Value state, const Form& form) {
  const std::int64_t tokens = r.input.dim(1);
  if (tokens == 1) return scan_step(r, state, form);
  if (r.input.dim(-1) == 1 && sizes_of(r, state).per_channel) return scan_looped(r, state, form);
  Form fitting = form;
  fitting.chunk = std::min(tokens, form.chunk);
  return scan_chunked(r, state, fitting);
}

}  // namespace adder::ssm
