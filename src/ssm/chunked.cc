#include <limits>

#include "hlo/arith.h"
#include "hlo/scope.h"
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

/// Appends zeros along the token axis up to `tokens`.
Value pad_tokens(Value x, std::int64_t tokens) {
  Dims low(x.rank(), 0), high(x.rank(), 0);
  high[1] = tokens - x.dim(1);
  return high[1] == 0 ? x : pad(x, constant(x.function(), x.dtype(), 0), low, high);
}

/// The state before each chunk: S_0 = state, S_{c+1} = exp(total_c) S_c + Z_c. Returns [B,C,H,P,N] and the
/// last.
std::pair<Value, Value> carry(Value state, Value total, Value z, const Sizes& d, std::int64_t chunks) {
  Values before;  // C times [B,1,H,P,N]
  Value s = view(state, {d.b, 1, d.h, d.p, d.n});
  Value decay = view(exponential(total), {d.b, chunks, d.h, 1, 1});
  for (std::int64_t c = 0; c < chunks; ++c) {
    before.push_back(s);
    s = slice_axis(decay, 1, c, c + 1) * s + slice_axis(z, 1, c, c + 1);
  }
  Value last = view(s, {d.b, d.h, d.p, d.n});
  return {chunks == 1 ? before[0] : concatenate(before, 1), last};
}

}  // namespace

Scan scan_chunked(const Recurrence& r, Value state, std::int64_t chunk) {
  const Sizes d = sizes_of(r, state);
  if (chunk < 1) throw BuildError("ssm::scan_chunked", "chunk must be at least 1", Loc::current());
  Function& f = state.function();
  const std::int64_t q = chunk, chunks = (d.t + q - 1) / q, padded = chunks * q, rp = d.r * d.p;

  Value a = view(pad_tokens(r.log_decay, padded), {d.b, chunks, q, d.h});   // [B,C,Q,H]
  Value u = view(pad_tokens(r.input, padded), {d.b, chunks, q, d.h, d.p});  // [B,C,Q,H,P]
  Value b = view(pad_tokens(r.key, padded), {d.b, chunks, q, d.g, d.n});    // [B,C,Q,G,N]
  Value c = view(pad_tokens(r.query, padded), {d.b, chunks, q, d.g, d.n});  // [B,C,Q,G,N]

  // lambda_i = sum of a_j for j <= i, as one product with a triangle of ones: float32 throughout.
  Value mask = causal(f, q);  // [Q,Q]
  Value lambda = dot_general(a, convert(mask, DType::f32),
                             {.lhs_contracting = {2}, .rhs_contracting = {1}});  // [B,C,H,Q]
  Value total = slice_axis(lambda, -1, q - 1, q);                                // [B,C,H,1]

  Scope part(f, "within");
  // Within a chunk: y_i = sum_{j<=i} (c_i . b_j) exp(lambda_i - lambda_j) u_j. Masked before exp: no
  // overflow.
  Value gap = expand_dims(lambda, -1) - expand_dims(lambda, -2);  // [B,C,H,Q,Q]
  Value decay = exponential(hlo::where(mask, gap, -std::numeric_limits<double>::infinity()));
  Value cb = dot_general(c, b,
                         {.lhs_batching = {0, 1, 3},
                          .rhs_batching = {0, 1, 3},
                          .lhs_contracting = {4},
                          .rhs_contracting = {4}});                                // [B,C,G,Q,Q]
  Value weight = view(decay, {d.b, chunks, d.g, d.r, q, q}) * expand_dims(cb, 3);  // [B,C,G,R,Q,Q]
  Value within = dot_general(view(weight, {d.b, chunks, d.h, q, q}), u,
                             {.lhs_batching = {0, 1, 2},
                              .rhs_batching = {0, 1, 3},
                              .lhs_contracting = {4},
                              .rhs_contracting = {2}});  // [B,C,H,Q,P]

  part.next("state");
  // What each chunk adds to the state: Z = sum_j exp(lambda_Q - lambda_j) u_j (x) b_j.
  Value to_end = transpose(exponential(total - lambda), {0, 1, 3, 2});          // [B,C,Q,H]
  Value scaled = view(u * expand_dims(to_end, -1), {d.b, chunks, q, d.g, rp});  // [B,C,Q,G,RP]
  Value z = dot_general(scaled, b,
                        {.lhs_batching = {0, 1, 3},
                         .rhs_batching = {0, 1, 3},
                         .lhs_contracting = {2},
                         .rhs_contracting = {2}});  // [B,C,G,RP,N]
  part.next("carry");
  auto [before, last] = carry(state, total, view(z, {d.b, chunks, d.h, d.p, d.n}), d, chunks);

  part.next("across");
  // What earlier chunks give this one: exp(lambda_i) S_before c_i.
  Value across = dot_general(c, view(before, {d.b, chunks, d.g, rp, d.n}),
                             {.lhs_batching = {0, 1, 3},
                              .rhs_batching = {0, 1, 2},
                              .lhs_contracting = {4},
                              .rhs_contracting = {4}});                                   // [B,C,G,Q,RP]
  across = transpose(view(across, {d.b, chunks, d.g, q, d.r, d.p}), {0, 1, 3, 2, 4, 5});  // [B,C,Q,G,R,P]
  Value from_start = transpose(exponential(lambda), {0, 1, 3, 2});                        // [B,C,Q,H]
  Value y = transpose(within, {0, 1, 3, 2, 4}) +
            view(across, {d.b, chunks, q, d.h, d.p}) * expand_dims(from_start, -1);  // [B,C,Q,H,P]
  y = view(y, {d.b, padded, d.h, d.p});
  return {slice_axis(y, 1, 0, d.t), last};
}

}  // namespace adder::ssm
