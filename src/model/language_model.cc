#include "model/language_model.h"

#include "hlo/arith.h"
#include "hlo/scope.h"

namespace adder::model {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// scale [V], tokens [B,T] -> [B,T].
Value scales_at(Value scale, Value tokens) {
  return view(take_rows(view(scale, {scale.dim(0), 1}), tokens), tokens.dims());
}

/// A call's arguments in the order in which the function declares them.
Values arguments_of(const LayerIn& in, bool with_position) {
  Values out;
  for (const NamedValue& w : in.weights.entries()) out.push_back(w.value);
  out.push_back(in.x);
  for (const NamedValue& s : in.state.entries()) out.push_back(s.value);
  out.push_back(in.place.lengths);
  if (with_position) out.push_back(in.place.position);
  if (in.place.phase) out.push_back(*in.place.phase);
  return out;
}

std::string key_of(const std::string& kind, const Values& arguments) {
  std::string key = kind;
  for (const Value& v : arguments) key += " " + to_string(v.shape());
  return key;
}

}  // namespace

LanguageModel::LanguageModel(Module& module, const ModelSpec& spec, const Values& weights)
    : module_(module), spec_(spec), layers_(static_cast<std::size_t>(spec.config->n_layer)) {
  for (std::size_t i = 0; i < spec.parameters.size(); ++i) {
    const arch::Parameter& p = spec.parameters[i];
    (p.layer < 0 ? outside_ : layers_.at(static_cast<std::size_t>(p.layer))).add(p.local, weights.at(i));
  }
}

LanguageModel::Out LanguageModel::forward(Value tokens, const Values& state, const Place& place) {
  const Matrix<Value> embedding = outside_.matrix("embedding");
  hlo::Scope part(tokens.function(), "embedding");
  Value x = convert(take_rows(embedding.weight, tokens), DType::f32);  // [B,T,D]
  if (embedding.scale) x = x * expand_dims(scales_at(*embedding.scale, tokens), -1);
  part.next("layer");
  std::vector<Named> before(layers_.size());
  for (std::size_t i = 0; i < spec_.state.size(); ++i)
    if (const std::int64_t layer = spec_.state[i].layer; layer >= 0)
      before[static_cast<std::size_t>(layer)].add(spec_.state[i].local, state.at(i));
  Out out{.hidden = {x}, .state = {}};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const LayerOut layer = call_layer({.layer = static_cast<std::int64_t>(i),
                                       .weights = layers_[i],
                                       .x = x,
                                       .state = before[i],
                                       .place = place,
                                       .policy = spec_.policy});
    x = layer.x;
    out.hidden.push_back(x);
    for (const NamedValue& s : layer.state.entries()) out.state.push_back(s.value);
  }
  return out;
}

LayerOut LanguageModel::call_layer(const LayerIn& in) {
  const bool with_position = spec_.graph->reads_position(in.layer);
  const Values arguments = arguments_of(in, with_position);
  Function*& function = functions_[key_of(spec_.graph->kind(in.layer), arguments)];
  if (!function) function = &declare_layer(in, with_position);
  const Values results = call(*function, arguments);
  LayerOut out{.x = results[0], .state = {}};
  for (std::size_t i = 0; i < in.state.entries().size(); ++i)
    out.state.add(in.state.entries()[i].name, results[i + 1]);
  return out;
}

/// A private function like `in`, whose values are its arguments.
Function& LanguageModel::declare_layer(const LayerIn& in, bool with_position) {
  const std::string kind = spec_.graph->kind(in.layer);
  Function& f =
      module_.add_function(functions_.size() == 1 ? kind : kind + std::to_string(functions_.size()));
  const auto argument = [&](const Value& like, const std::string& name) {
    return f.argument(like.shape(), {.name = name});
  };
  Named weights, state;
  for (const NamedValue& w : in.weights.entries()) weights.add(w.name, argument(w.value, w.name));
  Value x = argument(in.x, "x");
  for (const NamedValue& s : in.state.entries()) state.add(s.name, argument(s.value, s.name));
  Value lengths = argument(in.place.lengths, "lengths");
  Place place{.lengths = lengths,
              .position = with_position ? argument(in.place.position, "position") : lengths,
              .phase = {}};
  if (in.place.phase) place.phase = argument(*in.place.phase, "phase");
  const LayerOut out = spec_.graph->layer(
      {.layer = in.layer, .weights = weights, .x = x, .state = state, .place = place, .policy = in.policy});
  std::vector<NamedValue> results{{"x", out.x}};
  for (const NamedValue& s : out.state.entries()) results.push_back(s);
  f.finish(std::move(results));
  return f;
}

Normed LanguageModel::final_norm(Value x) const {
  const hlo::Scope part(x.function(), "final_norm");
  return rms_norm(spec_.policy, x, outside_["final_norm.weight"], spec_.config->norm_eps);
}

Value LanguageModel::logits(const Normed& x) const {
  const hlo::Scope part(x.value.function(), "head");
  const auto head = outside_.find_matrix("head");
  return linear(spec_.policy, x, head ? *head : outside_.matrix("embedding"));
}

}  // namespace adder::model
