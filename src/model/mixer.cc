#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/mamba2.h"
#include "model/reductions.h"
#include "ssm/recurrence.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// [B,T,1] float32: 1 where a token is real, 0 on padding.
Value valid(Value lengths, std::int64_t tokens) {
  const std::int64_t batch = lengths.dim(0);
  Value position = iota(lengths.function(), Shape{DType::s32, {batch, tokens, 1}}, 1);
  return convert(lt(position, view(lengths, {batch, 1, 1})), DType::f32);
}

struct Projected {
  Value z;      ///< [B,T,E]
  Value xbcdt;  ///< [B,T,F+H]
};
Projected in_proj(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, const Normed& x) {
  if (!w.in_proj_z) {
    const Values parts =
        split(linear(policy, x, w.in_proj, w.in_proj_bias), {c.d_inner(), c.conv_dim() + c.n_heads});
    return {parts[0], parts[1]};
  }
  Value xbcdt = linear(policy, x, w.in_proj);  // [B,T,F+H..]
  Value z = linear(policy, x, *w.in_proj_z);   // [B,T,E]
  xbcdt = slice_axis(xbcdt, -1, 0, c.conv_dim() + c.n_heads);
  if (w.in_proj_bias) {
    z = z + slice_axis(*w.in_proj_bias, 0, 0, c.d_inner());
    xbcdt = xbcdt + slice_axis(*w.in_proj_bias, 0, c.d_inner(), c.in_proj_dim());
  }
  return {z, xbcdt};
}

}  // namespace

LayerOut mixer(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, const Normed& x,
               const LayerState<Value>& s, const Place& place) {
  const std::int64_t b = x.value.dim(0), t = x.value.dim(1), gn = c.n_groups * c.d_state;
  hlo::Scope part(x.value.function(), "in_proj");
  const auto [z, xbcdt] = in_proj(c, policy, w, x);
  const Values parts = split(xbcdt, {c.conv_dim(), c.n_heads});  // xBC [F], dt [H]
  part.next("conv");
  auto [conv, window] =
      place.phase
          ? causal_conv_ring(parts[0], s.conv, *place.phase, w.conv_weight, w.conv_bias, place.lengths)
          : causal_conv(policy, parts[0], s.conv, w.conv_weight, w.conv_bias, place.lengths);
  Value activated = once(policy, silu(conv));
  const Values xbc = split(activated, {c.d_inner(), gn, gn});  // x [E], B [GN], C [GN]
  Value heads = view(xbc[0], {b, t, c.n_heads, c.head_dim});   // [B,T,H,P]

  part.next("gates");
  Value delta = softplus(parts[1] + w.dt_bias);  // [B,T,H]
  Value limited = delta;
  if (c.dt_min > 0) limited = hlo::max(limited, c.dt_min);
  if (c.dt_max < std::numeric_limits<double>::infinity()) limited = hlo::min(limited, c.dt_max);
  delta = hlo::where(ne(delta, delta), delta, limited);  // XLA's CPU compiler makes a limit of NaN
  delta = delta * valid(place.lengths, t);               // 0 on padding
  part.next("ssd");
  ssm::Form form = policy.scan;
  form.precision = policy.precision;
  auto [y, ssm] = ssm::scan({.log_decay = delta * w.a,
                             .input = heads * expand_dims(delta, -1),
                             .key = view(xbc[1], {b, t, c.n_groups, c.d_state}),
                             .query = view(xbc[2], {b, t, c.n_groups, c.d_state})},
                            s.ssm, form);  // [B,T,H,P] [B,H,P,N]
  y = y + heads * expand_dims(w.d, -1);
  part.next("gated_norm");
  const Normed normed =
      gated_rms_norm(policy, view(y, {b, t, c.d_inner()}), z, w.gated_norm, c.n_groups, c.norm_eps);
  part.next("out_proj");
  return {linear(policy, normed, w.out_proj, w.out_proj_bias), {.conv = window, .ssm = ssm}};
}

LayerOut block(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, Value x,
               const LayerState<Value>& s, const Place& place) {
  hlo::Scope part(x.function(), "norm");
  const Normed normed = rms_norm(policy, x, w.norm, c.norm_eps);
  part.next("mixer");
  LayerOut out = mixer(c, policy, w, normed, s, place);
  part.next("residual");
  out.x = x + out.x;
  return out;
}

}  // namespace adder::model
