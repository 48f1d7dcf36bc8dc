// Mamba, and Falcon-Mamba, which norms dt, B and C inside the mixer. Definition: state-spaces/mamba
// `modules/mamba_simple.py`; transformers `models/falcon_mamba`.
// Legend: B batch, T tokens, D model, E inner, N state, R rank of dt, K conv width. Each channel of E is a
// head of the recurrence with P = 1, and all share one group.

#include "arch/mamba1.h"

#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/factories.h"
#include "model/layers.h"
#include "model/reductions.h"
#include "ssm/recurrence.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

class Mamba1 final : public MixerBlock {
 public:
  explicit Mamba1(const arch::Mamba1& config) : MixerBlock(config.norm_eps), c_(config) {}

 private:
  struct Projected {
    Value x, z;  ///< [B,T,E]
  };
  Projected in_proj(const LayerIn& in, const Normed& x) const;
  struct Selected {
    Value delta;  ///< [B,T,E], 0 on padding
    Value b, c;   ///< [B,T,1,N]
  };
  Selected select(const LayerIn& in, Value u) const;
  LayerOut mixer(const LayerIn& in, const Normed& x) const override;

  arch::Mamba1 c_;
};

Mamba1::Projected Mamba1::in_proj(const LayerIn& in, const Normed& x) const {
  const Named& w = in.weights;
  const auto bias = w.find("mixer.in_proj.bias");
  if (const auto one = w.find_matrix("mixer.in_proj")) {
    const Values parts = split(linear(in.policy, x, *one, bias), {c_.d_inner, c_.d_inner});
    return {parts[0], parts[1]};
  }
  const auto part = [&](const char* name, std::int64_t first) {
    Value y = slice_axis(linear(in.policy, x, w.matrix(name)), -1, 0, c_.d_inner);  // without rows of zeros
    return bias ? y + slice_axis(*bias, 0, first, first + c_.d_inner) : y;
  };
  return {part("mixer.in_proj.x", 0), part("mixer.in_proj.z", c_.d_inner)};
}

/// What the input u [B,T,E] selects: step sizes, keys and queries.
Mamba1::Selected Mamba1::select(const LayerIn& in, Value u) const {
  const Named& w = in.weights;
  const std::int64_t b = u.dim(0), t = u.dim(1);
  Values parts = split(linear(in.policy, u, {.weight = w["mixer.x_proj.weight"], .scale = {}}),
                       {c_.dt_rank, c_.d_state, c_.d_state});  // dt [R], B [N], C [N]
  if (c_.inner_norms)
    for (Value& part : parts) part = rms_norm(in.policy, part, c_.inner_norm_eps);
  Value dt = linear(in.policy, parts[0], {.weight = w["mixer.dt_proj.weight"], .scale = {}});
  Value delta = softplus(dt + w["mixer.dt_proj.bias"]) * valid(in.place.lengths, t);  // [B,T,E]
  const Dims shared{b, t, 1, c_.d_state};
  return {delta, view(parts[1], shared), view(parts[2], shared)};
}

/// x [B,T,D] (already normed) -> [B,T,D].
LayerOut Mamba1::mixer(const LayerIn& in, const Normed& x) const {
  const Named& w = in.weights;
  const Dims channels{x.value.dim(0), x.value.dim(1), c_.d_inner, 1};  // [B,T,H,P]
  hlo::Scope part(x.value.function(), "in_proj");
  const auto [inputs, z] = in_proj(in, x);
  part.next("conv");
  const auto [conv, window] = causal_conv(in.policy, inputs, in.state["conv_state"], w["mixer.conv1d.weight"],
                                          w.find("mixer.conv1d.bias"), in.place);
  Value u = once(in.policy, silu(conv));  // [B,T,E]

  part.next("gates");
  const Selected s = select(in, u);
  part.next("ssd");
  ssm::Form form = in.policy.scan;
  form.precision = in.policy.precision;
  auto [y, ssm] = ssm::scan({.log_decay = s.delta,
                             .input = view(s.delta * u, channels),
                             .key = s.b,
                             .query = s.c,
                             .rate = w["mixer.A_log"]},
                            in.state["ssm_state"], form);  // [B,T,E,1] [B,E,1,N]
  y = (view(y, u.dims()) + u * w["mixer.D"]) * silu(z);
  part.next("out_proj");
  LayerOut out{.x = linear(in.policy, y, w.matrix("mixer.out_proj"), w.find("mixer.out_proj.bias")),
               .state = {}};
  out.state.add("conv_state", window);
  out.state.add("ssm_state", ssm);
  return out;
}

}  // namespace

LayerGraphRef make_mamba1(const arch::ConfigRef& config) {
  return std::make_shared<const Mamba1>(static_cast<const arch::Mamba1&>(*config));
}

}  // namespace adder::model
