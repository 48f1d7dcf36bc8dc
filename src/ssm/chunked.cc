#include <limits>

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "ssm/chunks.h"
#include "ssm/dims.h"
#include "ssm/recurrence.h"

namespace adder::ssm {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// i1 [Q,Q], true where row i may see column j: j <= i.
Value causal(Function& f, std::int64_t q) {
  const Shape square{DType::s32, {q, q}};
  return ge(iota(f, square, 0), iota(f, square, 1));
}

/// The inputs cut into chunks.
struct Chunks {
  Sizes d;
  std::int64_t q, count;
  Value a;     ///< [B,C,Q,H]
  Value u;     ///< [B,C,Q,H,P]
  Value b, c;  ///< [B,C,Q,G,N]

  std::int64_t rp() const { return d.r * d.p; }
};

Chunks cut(const Recurrence& r, const Sizes& d, std::int64_t q) {
  const std::int64_t count = (d.t + q - 1) / q, padded = count * q;
  return {.d = d,
          .q = q,
          .count = count,
          .a = view(pad_tokens(r.log_decay, padded), {d.b, count, q, d.h}),
          .u = view(pad_tokens(r.input, padded), {d.b, count, q, d.h, d.p}),
          .b = view(pad_tokens(r.key, padded), {d.b, count, q, d.g, d.n}),
          .c = view(pad_tokens(r.query, padded), {d.b, count, q, d.g, d.n})};
}

/// [B,C,H,Q]: lambda_i, the sum of a_j for j <= i, in float32 throughout.
Value running_decay(const Chunks& k, Value mask, bool as_sums) {
  if (as_sums) {
    Value a = expand_dims(transpose(k.a, {0, 1, 3, 2}), -2);  // [B,C,H,1,Q]
    return sum(hlo::where(mask, a, 0), -1);
  }
  // As one product with a triangle of ones.
  return dot_general(k.a, convert(mask, DType::f32), {.lhs_contracting = {2}, .rhs_contracting = {1}});
}

/// [B,C,H,Q,Q]: (c_i . b_j) exp(lambda_i - lambda_j) for j <= i, else 0. Masked before exp: no overflow.
Value weights_within(const Chunks& k, Value mask, Value lambda, DotOptions options) {
  const Sizes& d = k.d;
  Value gap = expand_dims(lambda, -1) - expand_dims(lambda, -2);  // [B,C,H,Q,Q]
  Value decay = exponential(hlo::where(mask, gap, -std::numeric_limits<double>::infinity()));
  Value cb = dot_general(
      k.c, k.b,
      {.lhs_batching = {0, 1, 3}, .rhs_batching = {0, 1, 3}, .lhs_contracting = {4}, .rhs_contracting = {4}},
      options);                                                                         // [B,C,G,Q,Q]
  Value weight = view(decay, {d.b, k.count, d.g, d.r, k.q, k.q}) * expand_dims(cb, 3);  // [B,C,G,R,Q,Q]
  return view(weight, {d.b, k.count, d.h, k.q, k.q});
}

/// What each chunk adds to the state: sum_j exp(lambda_Q - lambda_j) u_j (x) b_j. [B,C,G,RP,N]
Value added(const Chunks& k, Value lambda, Value total, DotOptions options) {
  const Sizes& d = k.d;
  Value to_end = transpose(exponential(total - lambda), {0, 1, 3, 2});                   // [B,C,Q,H]
  Value scaled = view(k.u * expand_dims(to_end, -1), {d.b, k.count, k.q, d.g, k.rp()});  // [B,C,Q,G,RP]
  return dot_general(
      scaled, k.b,
      {.lhs_batching = {0, 1, 3}, .rhs_batching = {0, 1, 3}, .lhs_contracting = {2}, .rhs_contracting = {2}},
      options);
}

/// y [B,C,Q,H,P] from the chunk itself and from the state before it, as two products that are added.
Value read_apart(const Chunks& k, Value lambda, Value within, Value before, DotOptions options) {
  const Sizes& d = k.d;
  // What earlier chunks give this one: exp(lambda_i) S_before c_i.
  Value across = dot_general(
      k.c, view(before, {d.b, k.count, d.g, k.rp(), d.n}),
      {.lhs_batching = {0, 1, 3}, .rhs_batching = {0, 1, 2}, .lhs_contracting = {4}, .rhs_contracting = {4}},
      options);                                                                              // [B,C,G,Q,RP]
  across = transpose(view(across, {d.b, k.count, d.g, k.q, d.r, d.p}), {0, 1, 3, 2, 4, 5});  // [B,C,Q,G,R,P]
  Value from_start = transpose(exponential(lambda), {0, 1, 3, 2});                           // [B,C,Q,H]
  return transpose(within, {0, 1, 3, 2, 4}) +
         view(across, {d.b, k.count, k.q, d.h, d.p}) * expand_dims(from_start, -1);
}

/// The same as one product: [weights | exp(lambda) c] by [u ; state].
Value read_joined(const Chunks& k, Value lambda, Value weight, Value before, DotOptions options) {
  const Sizes& d = k.d;
  Value c = expand_dims(transpose(k.c, {0, 1, 3, 2, 4}), 3);  // [B,C,G,1,Q,N]
  c = view(broadcast_to(c, {d.b, k.count, d.g, d.r, k.q, d.n}), {d.b, k.count, d.h, k.q, d.n});
  Value left = concatenate({weight, c * expand_dims(exponential(lambda), -1)}, 4);  // [B,C,H,Q,Q+N]
  Value right = concatenate({transpose(k.u, {0, 1, 3, 4, 2}), before}, 4);          // [B,C,H,P,Q+N]
  Value y = dot_general(
      left, right,
      {.lhs_batching = {0, 1, 2}, .rhs_batching = {0, 1, 2}, .lhs_contracting = {4}, .rhs_contracting = {4}},
      options);  // [B,C,H,Q,P]
  return transpose(y, {0, 1, 3, 2, 4});
}

}  // namespace

Scan scan_chunked(const Recurrence& r, Value state, const Form& form) {
  const Sizes d = sizes_of(r, state);
  if (form.chunk < 1) throw BuildError("ssm::scan_chunked", "chunk must be at least 1", Loc::current());
  if (d.per_channel) return scan_channels(r, state, d, form);
  Function& f = state.function();
  const DotOptions options{.precision = form.precision, .result_dtype = {}};
  const Chunks k = cut(r, d, form.chunk);
  Value mask = causal(f, k.q);  // [Q,Q]
  Value lambda = running_decay(k, mask, form.joined);
  Value total = slice_axis(lambda, -1, k.q - 1, k.q);  // [B,C,H,1]

  // Within a chunk: y_i = sum_{j<=i} (c_i . b_j) exp(lambda_i - lambda_j) u_j.
  Scope part(f, "within");
  Value y = weights_within(k, mask, lambda, options);
  if (!form.joined)
    y = dot_general(y, k.u,
                    {.lhs_batching = {0, 1, 2},
                     .rhs_batching = {0, 1, 3},
                     .lhs_contracting = {4},
                     .rhs_contracting = {2}},
                    options);  // [B,C,H,Q,P]
  part.next("state");
  Value z = added(k, lambda, total, options);
  part.next("carry");
  auto [before, last] = carry(state, total, view(z, {d.b, k.count, d.h, d.p, d.n}), d, k.count);
  part.next("across");
  y = form.joined ? read_joined(k, lambda, y, before, options)
                  : read_apart(k, lambda, y, before, options);  // [B,C,Q,H,P]
  y = view(y, {d.b, k.count * k.q, d.h, d.p});
  return {slice_axis(y, 1, 0, d.t), last};
}

}  // namespace adder::ssm
