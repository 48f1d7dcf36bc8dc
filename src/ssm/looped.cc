#include "hlo/arith.h"
#include "hlo/scope.h"
#include "ssm/chunks.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

// A further letter: L tokens an iteration. Inside, heads are the last dimension and the state is [B,G,N,R]:
// the sum over N then adds whole vectors of heads, where N alone may be less than a vector.

namespace {

/// The last two dimensions change places.
Value swapped(Value x) {
  Dims order;
  for (std::int64_t i = 0; i < x.rank(); ++i) order.push_back(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return transpose(x, order);
}

/// What one iteration reads.
struct Piece {
  std::int64_t tokens;
  Value a;     ///< log decay [B,L,G,N,R]
  Value u;     ///< [B,L,G,1,R]
  Value b, c;  ///< [B,L,G,N,1]
};

/// y [B,L,G,R] and the state after the piece.
std::pair<Value, Value> step(const Piece& k, Value state) {
  Value next = exponential(k.a) * expand_dims(state, 1) + k.u * k.b;  // [B,1,G,N,R]
  return {sum(next * k.c, -2), view(next, state.dims())};
}

/// The same for several tokens: token t's decay and input stand for those of its last 1, 2, 4, ... tokens.
std::pair<Value, Value> associative(const Piece& k, Value state) {
  Value decay = exponential(k.a), input = k.u * k.b;
  const auto earlier = [](Value x, std::int64_t by, double none) {
    Dims low(x.rank(), 0), high(x.rank(), 0);
    low[1] = by;
    high[1] = -by;
    return pad(x, constant(x.function(), x.dtype(), none), low, high);
  };
  for (std::int64_t by = 1; by < k.tokens; by *= 2) {
    input = decay * earlier(input, by, 0) + input;
    decay = decay * earlier(decay, by, 1);
  }
  Value states = decay * expand_dims(state, 1) + input;  // [B,L,G,N,R]
  Value last = view(slice_axis(states, 1, k.tokens - 1, k.tokens), state.dims());
  return {sum(states * k.c, -2), last};
}

/// The tokens [at, at + tokens) of x [B,T,..].
Value tokens_from(Value x, Value at, std::int64_t tokens) {
  Values start(x.rank(), constant_int(x.function(), DType::s32, 0));
  start[1] = at;
  Dims sizes = x.dims();
  sizes[1] = tokens;
  return dynamic_slice(x, start, sizes);
}

Piece piece_of(const Recurrence& r, const Sizes& d, Value at, std::int64_t tokens) {
  const auto cut = [&](Value x, Dims last) {
    Dims dims{d.b, tokens, d.g};
    dims.insert(dims.end(), last.begin(), last.end());
    return view(tokens_from(x, at, tokens), dims);
  };
  return {.tokens = tokens,
          .a = r.rate ? cut(r.log_decay, {1, d.r}) * swapped(view(*r.rate, {d.g, d.r, d.n}))
                      : swapped(cut(r.log_decay, {d.r, d.n})),
          .u = cut(r.input, {1, d.r}),
          .b = cut(r.key, {d.n, 1}),
          .c = cut(r.query, {d.n, 1})};
}

}  // namespace

Scan scan_looped(const Recurrence& r, Value state, const Form& form) {
  const Sizes d = sizes_of(r, state);
  if (!d.per_channel || d.p != 1)
    throw BuildError("ssm::scan_looped", "takes a decay per state channel and P = 1", Loc::current());
  if (form.looped < 1) throw BuildError("ssm::scan_looped", "looped must be at least 1", Loc::current());
  Function& f = state.function();
  const Scope part(f, "loop");
  const std::int64_t count = (d.t + form.looped - 1) / form.looped, tokens = (d.t + count - 1) / count;
  Recurrence padded = r;
  for (Value* x : {&padded.log_decay, &padded.input, &padded.key, &padded.query})
    *x = pad_tokens(*x, count * tokens);
  const Values init{swapped(view(state, {d.b, d.g, d.r, d.n})),
                    zeros(f, {DType::f32, {d.b, count * tokens, d.g, d.r}})};
  const Values done = fori(f, count, init, [&](Value i, const Values& v) -> Values {
    Value at = i * static_cast<double>(tokens), zero = constant_int(f, DType::s32, 0);
    const Piece k = piece_of(padded, d, at, tokens);
    const auto [y, next] = tokens == 1 ? step(k, v[0]) : associative(k, v[0]);
    return {next, dynamic_update_slice(v[1], y, {zero, at, zero, zero})};
  });
  return {view(slice_axis(done[1], 1, 0, d.t), {d.b, d.t, d.h, 1}),
          view(swapped(done[0]), {d.b, d.h, 1, d.n})};
}

}  // namespace adder::ssm
