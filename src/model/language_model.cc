#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/mamba2.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

LanguageModel::LanguageModel(Module& module, const Mamba2Config& config, const Policy& policy)
    : module_(module), config_(config), policy_(policy) {}

namespace {

/// scale [V], tokens [B,T] -> [B,T].
Value scales_at(Value scale, Value tokens) {
  return view(take_rows(view(scale, {scale.dim(0), 1}), tokens), tokens.dims());
}

}  // namespace

LanguageModel::Out LanguageModel::forward(const Params<Value>& w, Value tokens, const State<Value>& state,
                                          const Place& place) {
  hlo::Scope part(tokens.function(), "embedding");
  Value x = convert(take_rows(w.embedding.weight, tokens), DType::f32);  // [B,T,D]
  if (w.embedding.scale) x = x * expand_dims(scales_at(*w.embedding.scale, tokens), -1);
  part.next("layer");
  Out out{.hidden = {x}, .state = {}};
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    LayerOut layer = call_layer(w.layers[i], x, state[i], place);
    x = layer.x;
    out.hidden.push_back(x);
    out.state.push_back(layer.state);
  }
  return out;
}

LayerOut LanguageModel::call_layer(const LayerParams<Value>& w, Value x, const LayerState<Value>& s,
                                   const Place& place) {
  if (!layer_ || layer_input_ != x.shape()) {
    layer_ = &module_.add_function("layer");
    layer_input_ = x.shape();
    Function& f = *layer_;
    auto params = transform_layer<Value>(
        w, [&](const std::string& name, const Value& v) { return f.argument(v.shape(), {.name = name}); });
    Value in = f.argument(x.shape(), {.name = "x"});
    LayerState<Value> before{.conv = f.argument(s.conv.shape(), {.name = "conv_state"}),
                             .ssm = f.argument(s.ssm.shape(), {.name = "ssm_state"})};
    Place at{.lengths = f.argument(place.lengths.shape(), {.name = "lengths"}), .phase = {}};
    if (place.phase) at.phase = f.argument(place.phase->shape(), {.name = "phase"});
    LayerOut out = block(config_, policy_, params, in, before, at);
    f.finish({{"x", out.x}, {"conv_state", out.state.conv}, {"ssm_state", out.state.ssm}});
  }
  Values arguments;
  visit_layer(
      "", [&](const std::string&, const Value& v) { arguments.push_back(v); }, w);
  arguments.insert(arguments.end(), {x, s.conv, s.ssm, place.lengths});
  if (place.phase) arguments.push_back(*place.phase);
  const Values results = call(*layer_, arguments);
  return {results[0], {.conv = results[1], .ssm = results[2]}};
}

Normed LanguageModel::final_norm(const Params<Value>& w, Value x) const {
  const hlo::Scope part(x.function(), "final_norm");
  return rms_norm(policy_, x, w.norm_f, config_.norm_eps);
}

Value LanguageModel::logits(const Params<Value>& w, const Normed& x) const {
  const hlo::Scope part(x.value.function(), "head");
  return linear(policy_, x, w.lm_head ? *w.lm_head : w.embedding);
}

}  // namespace adder::model
