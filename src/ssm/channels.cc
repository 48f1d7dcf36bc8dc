#include <algorithm>
#include <limits>

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "ssm/chunks.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

// A further letter: M blocks of q tokens a chunk, Q = M q.

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();  // masked before exp

/// i1 [n,n], true where row i may see column j: j <= i, or j < i.
Value lower(Function& f, std::int64_t n, bool diagonal) {
  const Shape square{DType::s32, {n, n}};
  Value i = iota(f, square, 0), j = iota(f, square, 1);
  return diagonal ? ge(i, j) : gt(i, j);
}

/// A sum of log decays as two numbers: multiples of 2^-6, whose sums are exact, and what is left of them. The
/// difference of two such sums keeps its relative accuracy when one small decay follows large ones, which
/// that of two rounded sums loses.
struct Sum {
  Value coarse, fine;
};
Value operator-(const Sum& later, const Sum& earlier) {
  return (later.coarse - earlier.coarse) + (later.fine - earlier.fine);
}
Sum each(const Sum& s, const std::function<Value(Value)>& f) { return {f(s.coarse), f(s.fine)}; }

/// The inputs cut into chunks and blocks, head by head.
struct Blocks {
  Sizes d;
  std::int64_t count, m, q;
  Value u;     ///< [B,C,H,Q,P]
  Value b, c;  ///< [B,C,H,M,q,N]
  Sum lambda;  ///< [B,C,H,M,q,N], the sum of the log decays in the chunk up to and with a token

  Dims dims(Dims last) const {
    Dims all{d.b, count, d.h};
    all.insert(all.end(), last.begin(), last.end());
    return all;
  }
};

/// x [B,T,heads,..] -> [B,C,heads,Q,..]
Value by_head(Value x, const Sizes& d, std::int64_t count, std::int64_t tokens) {
  Value cut = view(pad_tokens(x, count * tokens), {d.b, count, tokens, x.dim(2), x.dim(3)});
  return transpose(cut, {0, 1, 3, 2, 4});
}

Sum running(Value a) {
  // exp(-128) is 0 in float32, so that nothing smaller matters, and the coarse part of 2048 tokens is exact.
  a = max(a, -128);
  Value coarse = round_nearest_even(a * 64) * (1.0 / 64);
  Value ones = convert(lower(a.function(), a.dim(3), true), DType::f32);
  return each({coarse, a - coarse}, [&](Value x) {
    Value sums = dot_general(x, ones, {.lhs_contracting = {3}, .rhs_contracting = {1}});  // [B,C,H,N,Q]
    return transpose(sums, {0, 1, 2, 4, 3});
  });
}

Blocks cut(const Recurrence& r, const Sizes& d, const Form& form) {
  Blocks k;
  k.d = d;
  // As many chunks as needed, as few blocks in each as then hold all tokens.
  k.q = std::min({form.block, form.chunk, d.t});
  const std::int64_t blocks = (d.t + k.q - 1) / k.q, longest = form.chunk / k.q;
  k.count = (blocks + longest - 1) / longest;
  k.m = (blocks + k.count - 1) / k.count;
  const std::int64_t tokens = k.m * k.q;
  Value a = r.rate ? expand_dims(r.log_decay, -1) * *r.rate : r.log_decay;
  k.lambda = each(running(by_head(a, d, k.count, tokens)), [&](Value x) {
    return view(x, k.dims({k.m, k.q, d.n}));
  });
  k.u = by_head(r.input, d, k.count, tokens);
  const auto per_head = [&](Value x) {  // [B,T,G,N]
    Value groups = view(by_head(x, d, k.count, tokens), {d.b, k.count, d.g, 1, tokens, d.n});
    return view(broadcast_to(groups, {d.b, k.count, d.g, d.r, tokens, d.n}), k.dims({k.m, k.q, d.n}));
  };
  k.b = per_head(r.key);
  k.c = per_head(r.query);
  return k;
}

/// [B,C,H,M,q,q]: sum_n c_in b_jn exp(lambda_in - lambda_jn) for j <= i in one block, else 0.
Value weights_inside(const Blocks& k) {
  const auto row = [](Value x) { return expand_dims(x, -2); };  // i
  const auto column = [](Value x) { return expand_dims(x, -3); };
  Value gap = each(k.lambda, row) - each(k.lambda, column);  // [B,C,H,M,q,q,N]
  Value seen = expand_dims(lower(gap.function(), k.q, true), -1);
  return sum(row(k.c) * column(k.b) * exponential(hlo::where(seen, gap, kNever)), -1);
}

/// [B,C,H,M,q,Q]: the same for j in an earlier block than i, as products about the sum before i's block.
Value weights_between(const Blocks& k, const Sum& start, const Sum& end, DotOptions options) {
  const auto row = [](Value x) { return expand_dims(x, -2); };
  Value c = k.c * exponential(k.lambda - each(start, row));  // [B,C,H,M,q,N]
  Value b = k.b * exponential(each(end, row) - k.lambda);
  Value gap = each(start, row) - each(end, [](Value x) { return expand_dims(x, -3); });  // [B,C,H,M,M,N]
  Value seen = expand_dims(lower(gap.function(), k.m, false), -1);
  Value between = exponential(hlo::where(seen, gap, kNever));
  b = expand_dims(b, 3) * expand_dims(between, -2);  // [B,C,H,M,M,q,N]
  return dot_general(c, view(b, k.dims({k.m, k.m * k.q, k.d.n})),
                     {.lhs_batching = {0, 1, 2, 3},
                      .rhs_batching = {0, 1, 2, 3},
                      .lhs_contracting = {5},
                      .rhs_contracting = {5}},
                     options);
}

/// [B,C,H,Q,Q]: sum_n c_in b_jn exp(lambda_in - lambda_jn) for j <= i, else 0.
Value weights(const Blocks& k, const Sum& start, const Sum& end, DotOptions options) {
  const std::int64_t tokens = k.m * k.q;
  Value inside = weights_inside(k);
  if (k.m == 1) return view(inside, k.dims({tokens, tokens}));
  Value between = view(weights_between(k, start, end, options), k.dims({k.m, k.q, k.m, k.q}));
  const Shape square{DType::s32, {k.m, 1, k.m, 1}};
  Function& f = inside.function();
  Value own = eq(iota(f, square, 0), iota(f, square, 2));
  return view(hlo::where(own, expand_dims(inside, -2), between), k.dims({tokens, tokens}));
}

}  // namespace

Scan scan_channels(const Recurrence& r, Value state, const Sizes& d, const Form& form) {
  if (form.block < 1) throw BuildError("ssm::scan_chunked", "block must be at least 1", Loc::current());
  Scope part(state.function(), "within");
  const DotOptions options{.precision = form.precision, .result_dtype = {}};
  const Blocks k = cut(r, d, form);
  const std::int64_t tokens = k.m * k.q;
  // The sums at the end of each block and before it, [B,C,H,M,N].
  const Sum end = each(k.lambda, [&](Value x) {
    return view(slice_axis(x, 4, k.q - 1, k.q), k.dims({k.m, d.n}));
  });
  const Sum start = each(end, [](Value x) {
    return pad(x, constant(x.function(), x.dtype(), 0), {0, 0, 0, 1, 0}, {0, 0, 0, -1, 0});
  });
  const Sum total = each(end, [&](Value x) { return slice_axis(x, 3, k.m - 1, k.m); });  // [B,C,H,1,N]
  const auto whole = [&](Value x) { return view(x, k.dims({tokens, d.n})); };
  Value y = dot_general(
      weights(k, start, end, options), k.u,
      {.lhs_batching = {0, 1, 2}, .rhs_batching = {0, 1, 2}, .lhs_contracting = {4}, .rhs_contracting = {3}},
      options);  // [B,C,H,Q,P]
  part.next("state");
  const Sum lambda = each(k.lambda, whole);
  Value z = dot_general(
      k.u, whole(k.b) * exponential(total - lambda),
      {.lhs_batching = {0, 1, 2}, .rhs_batching = {0, 1, 2}, .lhs_contracting = {3}, .rhs_contracting = {3}},
      options);  // [B,C,H,P,N]
  part.next("carry");
  auto [before, last] = carry(state, total.coarse + total.fine, z, d, k.count);
  part.next("across");
  Value across = dot_general(
      whole(k.c) * exponential(lambda.coarse + lambda.fine), view(before, k.dims({d.p, d.n})),
      {.lhs_batching = {0, 1, 2}, .rhs_batching = {0, 1, 2}, .lhs_contracting = {4}, .rhs_contracting = {4}},
      options);  // [B,C,H,Q,P]
  y = view(transpose(y + across, {0, 1, 3, 2, 4}), {d.b, k.count * tokens, d.h, d.p});
  return {slice_axis(y, 1, 0, d.t), last};
}

}  // namespace adder::ssm
