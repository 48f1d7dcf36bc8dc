// Mamba-2. Definition: state-spaces/mamba `modules/mamba2.py` and `modules/block.py`.
// Legend: B batch, T tokens, D model, E inner = H·P, H heads, P head dim, G groups, N state, K conv width;
// conv channels F = E + 2·G·N.

#include "arch/mamba2.h"

#include <limits>

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/factories.h"
#include "model/layers.h"
#include "model/reductions.h"
#include "ssm/recurrence.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

class Mamba2 final : public MixerBlock {
 public:
  explicit Mamba2(const arch::Mamba2& config) : MixerBlock(config.norm_eps), c_(config) {}

 private:
  struct Projected {
    Value z;      ///< [B,T,E]
    Value xbcdt;  ///< [B,T,F+H]
  };
  Projected in_proj(const LayerIn& in, const Normed& x) const;
  Value delta(const Named& w, Value dt, Value lengths) const;
  LayerOut mixer(const LayerIn& in, const Normed& x) const override;

  arch::Mamba2 c_;
};

Mamba2::Projected Mamba2::in_proj(const LayerIn& in, const Normed& x) const {
  const Named& w = in.weights;
  const auto bias = w.find("mixer.in_proj.bias");
  const std::int64_t rest = c_.conv_dim() + c_.n_heads;
  if (const auto one = w.find_matrix("mixer.in_proj")) {
    const Values parts = split(linear(in.policy, x, *one, bias), {c_.d_inner, rest});
    return {parts[0], parts[1]};
  }
  Value xbcdt = linear(in.policy, x, w.matrix("mixer.in_proj.xbcdt"));  // [B,T,F+H..]
  Value z = linear(in.policy, x, w.matrix("mixer.in_proj.z"));          // [B,T,E..]
  xbcdt = slice_axis(xbcdt, -1, 0, rest);
  if (z.dim(-1) != c_.d_inner) z = slice_axis(z, -1, 0, c_.d_inner);
  if (bias) {
    z = z + slice_axis(*bias, 0, 0, c_.d_inner);
    xbcdt = xbcdt + slice_axis(*bias, 0, c_.d_inner, c_.in_proj_dim());
  }
  return {z, xbcdt};
}

/// dt [B,T,H] -> the step size, within its limits; 0 on padding.
Value Mamba2::delta(const Named& w, Value dt, Value lengths) const {
  Value delta = softplus(dt + w["mixer.dt_bias"]), limited = delta;
  if (c_.dt_min > 0) limited = hlo::max(limited, c_.dt_min);
  if (c_.dt_max < std::numeric_limits<double>::infinity()) limited = hlo::min(limited, c_.dt_max);
  delta = hlo::where(ne(delta, delta), delta, limited);  // XLA's CPU compiler makes a limit of NaN
  return delta * valid(lengths, dt.dim(1));
}

/// x [B,T,D] (already normed) -> [B,T,D].
LayerOut Mamba2::mixer(const LayerIn& in, const Normed& x) const {
  const Named& w = in.weights;
  const std::int64_t b = x.value.dim(0), t = x.value.dim(1), gn = c_.n_groups * c_.d_state;
  hlo::Scope part(x.value.function(), "in_proj");
  const auto [z, xbcdt] = in_proj(in, x);
  const Values parts = split(xbcdt, {c_.conv_dim(), c_.n_heads});  // xBC [F], dt [H]
  part.next("conv");
  const auto [conv, window] = causal_conv(in.policy, parts[0], in.state["conv_state"],
                                          w["mixer.conv1d.weight"], w.find("mixer.conv1d.bias"), in.place);
  Value activated = once(in.policy, silu(conv));
  const Values xbc = split(activated, {c_.d_inner, gn, gn});    // x [E], B [GN], C [GN]
  Value heads = view(xbc[0], {b, t, c_.n_heads, c_.head_dim});  // [B,T,H,P]

  part.next("gates");
  Value step = delta(w, parts[1], in.place.lengths);  // [B,T,H]
  part.next("ssd");
  ssm::Form form = in.policy.scan;
  form.precision = in.policy.precision;
  auto [y, ssm] = ssm::scan({.log_decay = step * w["mixer.A_log"],
                             .input = heads * expand_dims(step, -1),
                             .key = view(xbc[1], {b, t, c_.n_groups, c_.d_state}),
                             .query = view(xbc[2], {b, t, c_.n_groups, c_.d_state})},
                            in.state["ssm_state"], form);  // [B,T,H,P] [B,H,P,N]
  y = y + heads * expand_dims(w["mixer.D"], -1);
  part.next("gated_norm");
  const Normed normed = gated_rms_norm(in.policy, view(y, {b, t, c_.d_inner}), z, w.find("mixer.norm.weight"),
                                       c_.n_groups, c_.norm_eps);
  part.next("out_proj");
  LayerOut out{.x = linear(in.policy, normed, w.matrix("mixer.out_proj"), w.find("mixer.out_proj.bias")),
               .state = {}};
  out.state.add("conv_state", window);
  out.state.add("ssm_state", ssm);
  return out;
}

}  // namespace

LayerGraphRef make_mamba2(const arch::ConfigRef& config) {
  return std::make_shared<const Mamba2>(static_cast<const arch::Mamba2&>(*config));
}

}  // namespace adder::model
