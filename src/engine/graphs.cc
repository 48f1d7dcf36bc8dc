#include "engine/graphs.h"

#include <fmt/format.h>

#include <limits>

#include "engine/build_guard.h"
#include "engine/random.h"
#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/mamba2.h"
#include "model/state.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics
using model::Params;
using model::State;

namespace {

Params<Value> declare_params(Function& f, const ModelSpec& model) {
  return model::transform<Value>(
      model::parameter_shapes(model.config, model.weight_dtype, model.policy),
      [&](const std::string& name, const Shape& shape) { return f.argument(shape, {.name = name}); });
}

Value donated(Function& f, const std::string& name, const Shape& shape) {
  return f.argument(shape, {.name = name, .donated_to = name});
}

State<Value> declare_state(Function& f, const ModelSpec& model, std::int64_t batch) {
  State<Value> state;
  const State<Shape> shapes = model::state_shapes(model.config, batch);
  model::visit_state(
      [&](const std::string& name, const Shape& shape, Value& value) { value = donated(f, name, shape); },
      shapes, state);
  return state;
}

std::vector<NamedValue> named(const State<Value>& state) {
  std::vector<NamedValue> out;
  model::visit_state(
      [&](const std::string& name, const Value& value) {
        out.push_back({name, value});
      },
      state);
  return out;
}

/// x [B,T,D] at each row's last real token -> [B,D].
Value last_real(Value x, Value lengths) {
  const std::int64_t b = x.dim(0), t = x.dim(1), d = x.dim(2);
  if (t == 1) return view(x, {b, d});
  const Scope part(x.function(), "last_row");
  Value rows = iota(x.function(), Shape{DType::s32, {b, 1}}, 0);
  Value index = concatenate({rows, view(hlo::max(lengths - 1, 0), {b, 1})}, 1);  // [B,2]
  return gather(
      x, index,
      {.offset_dims = {1}, .collapsed_slice_dims = {0, 1}, .start_index_map = {0, 1}, .index_vector_dim = 1},
      {1, 1, d});
}

/// logits [...,V] -> i1 [...]: whether those of the ids below `vocab_size` are all finite.
Value all_finite(Value logits, std::int64_t vocab_size) {
  const std::int64_t last = logits.rank() - 1;
  Value real = slice_axis(logits, last, 0, vocab_size);
  return reduce(is_finite(real), Reduction::and_, {last});
}

/// logits [B,T,V], targets s32 [B,T] -> [B,T]: log softmax at the targets; rows from `vocab_size` up do not
/// count. NaN where the logits are not all finite.
Value log_probability(Value logits, Value targets, std::int64_t vocab_size) {
  const Scope part(logits.function(), "scores");
  Value id = iota(logits.function(), Shape{DType::s32, {1, 1, logits.dim(2)}}, 2);
  Value real =
      hlo::where(lt(id, static_cast<double>(vocab_size)), logits, -std::numeric_limits<double>::infinity());
  Value top = max_over(real, 2, true);                          // [B,T,1]
  Value log_mass = log(sum(exponential(real - top), 2, true));  // [B,T,1]
  Value chosen = sum(hlo::where(eq(id, expand_dims(targets, -1)), logits, 0), 2, true);
  // What the compiler computes twice may differ from itself: no probability is above 1.
  Value score = hlo::min(view(chosen - top - log_mass, targets.dims()), 0);
  return hlo::where(all_finite(logits, vocab_size), score, std::numeric_limits<double>::quiet_NaN());
}

void extend_body(Module& module, const ModelSpec& model, const ExtendSpec& spec) {
  Function& f = module.main();
  const Params<Value> w = declare_params(f, model);
  const State<Value> state = declare_state(f, model, spec.batch);
  Value tokens = f.argument({DType::s32, {spec.batch, spec.tokens}}, {.name = "tokens"});
  Value lengths = f.argument({DType::s32, {spec.batch}}, {.name = "lengths"});

  model::LanguageModel lm(module, model.config, model.policy);
  const auto out = lm.forward(w, tokens, state, {.lengths = lengths, .phase = {}});
  std::vector<NamedValue> results = named(out.state);
  if (spec.outputs == ExtendSpec::Outputs::last) {
    results.push_back({"logits", lm.logits(w, lm.final_norm(w, last_real(out.hidden.back(), lengths)))});
  } else if (spec.outputs == ExtendSpec::Outputs::scores) {
    Value targets = f.argument({DType::s32, {spec.batch, spec.tokens}}, {.name = "targets"});
    Value logits = lm.logits(w, lm.final_norm(w, out.hidden.back()));
    results.push_back({"logprobs", log_probability(logits, targets, model.config.vocab_size)});
  } else if (spec.outputs == ExtendSpec::Outputs::all) {
    for (std::size_t i = 0; i < out.hidden.size(); ++i)
      results.push_back({fmt::format("hidden.{}", i), out.hidden[i]});
    const model::Normed final_hidden = lm.final_norm(w, out.hidden.back());
    results.push_back({"final_hidden", whole(final_hidden)});
    results.push_back({"logits", lm.logits(w, final_hidden)});
  }
  f.finish(std::move(results));
}

/// What the decode loop carries, in the order of its results.
struct Carry {
  Value tokens, logprobs;  // [B,S]
  State<Value> state;
  Value last_token, counter, remaining;  // [B]
  std::optional<Value> history;          // [B,V]

  Values flatten() const {
    Values out{tokens, logprobs};
    model::visit_state([&](const std::string&, const Value& v) { out.push_back(v); }, state);
    out.insert(out.end(), {last_token, counter, remaining});
    if (history) out.push_back(*history);
    return out;
  }
  /// The same fields, from values in flatten's order.
  Carry rebuilt(const Values& values) const {
    auto next = values.begin();
    Carry out = *this;
    out.tokens = *next++;
    out.logprobs = *next++;
    model::visit_state([&](const std::string&, Value& v) { v = *next++; }, out.state);
    out.last_token = *next++;
    out.counter = *next++;
    out.remaining = *next++;
    if (history) out.history = *next++;
    return out;
  }
};

/// i1 [B]: which tokens are among the stop ids.
Value is_stop(Value token, Value stop_ids) {
  return reduce(eq(expand_dims(token, -1), stop_ids), Reduction::or_, {1});
}

/// [B] s32: which row of a ring is the oldest, where windows are rings: they start as windows at counter
/// `begin`, and each token that a row absorbs moves its ring on by one.
std::optional<Value> ring_phase(const ModelSpec& model, Value counter, Value begin) {
  const std::int64_t rows = model.config.d_conv - 1;
  if (!model.policy.ring_windows || rows < 1) return std::nullopt;
  return convert(
      remainder(counter - begin, constant_int(counter.function(), DType::u32, rows, counter.dims())),
      DType::s32);
}

/// One step: absorb last_token, choose the next, write column i of the block. `begin`: the counter before the
/// first step.
Carry step(model::LanguageModel& lm, const ModelSpec& model, const DecodeSpec& spec, const Params<Value>& w,
           const SamplerParams<Value>& sampler, Value stop_ids, Value begin, Value i, const Carry& c) {
  Function& f = i.function();
  Value active = gt(c.remaining, 0);        // [B]
  Value one = convert(active, DType::s32);  // [B] 1 where active
  const auto out = lm.forward(w, view(c.last_token, {spec.batch, 1}), c.state,
                              {.lengths = one, .phase = ring_phase(model, c.counter, begin)});
  Value logits = lm.logits(w, lm.final_norm(w, view(out.hidden.back(), {spec.batch, model.config.d_model})));
  Scope part(f, "sampler");
  const Draw draw = sample(spec.sampler, sampler, logits, model.config.vocab_size, c.history,
                           uniform(sampler.key, c.counter));

  part.next("bookkeeping");
  Carry next = c;
  next.state = out.state;
  Value finite = all_finite(logits, model.config.vocab_size);
  next.last_token = hlo::where(active, draw.token, c.last_token);
  next.counter = c.counter + convert(active, DType::u32);
  next.remaining = hlo::where(is_stop(draw.token, stop_ids), 0, c.remaining - one);
  next.remaining = hlo::where(finite, hlo::max(next.remaining, 0), 0);
  if (c.history) {
    Value id = iota(f, Shape{DType::s32, c.history->dims()}, 1);
    Value drawn = and_(eq(id, expand_dims(draw.token, -1)), broadcast_to(expand_dims(active, -1), id.dims()));
    next.history = *c.history + convert(drawn, DType::s32) * 2;
  }
  const Values column{constant_int(f, DType::s32, 0), i};
  Value token = hlo::where(active, hlo::where(finite, draw.token, kNotFinite), kNoToken);
  next.tokens = dynamic_update_slice(c.tokens, view(token, {spec.batch, 1}), column);
  next.logprobs =
      dynamic_update_slice(c.logprobs, view(hlo::where(active, draw.logprob, 0), {spec.batch, 1}), column);
  return next;
}

/// The steps of a block, until no row needs more or `limit` of them are done.
Carry open_loop(Function& f, const DecodeSpec& spec, const Carry& begin, Value limit,
                const std::function<Values(Value i, const Values&)>& body) {
  const auto rest = [](const Values& v) { return Values(v.begin() + 1, v.end()); };
  Values carried = begin.flatten();
  carried.insert(carried.begin(), constant_int(f, DType::s32, 0));
  const Values done = while_(
      carried,
      [&](const Values& v) {
        Value wanted = reduce(gt(begin.rebuilt(rest(v)).remaining, 0), Reduction::or_, {0});
        return and_(lt(v[0], hlo::min(limit, static_cast<double>(spec.steps))), wanted);
      },
      [&](const Values& v) {
        Values next = body(v[0], rest(v));
        next.insert(next.begin(), v[0] + 1);
        return next;
      });
  return begin.rebuilt(rest(done));
}

void decode_body(Module& module, const ModelSpec& model, const DecodeSpec& spec) {
  Function& f = module.main();
  const Shape rows_s32{DType::s32, {spec.batch}};
  const Params<Value> w = declare_params(f, model);
  Carry carry;
  carry.state = declare_state(f, model, spec.batch);
  carry.last_token = donated(f, "last_token", rows_s32);
  carry.counter = donated(f, "counter", {DType::u32, {spec.batch}});
  carry.remaining = donated(f, "remaining", rows_s32);
  if (spec.sampler.penalties)
    carry.history = donated(f, "history", {DType::s32, {spec.batch, model.config.vocab_rows}});
  SamplerParams<Value> sampler;
  visit_sampler(
      [&](const std::string& name, Value& value) {
        const DType dtype = name == "key" ? DType::u32 : name == "top_k" ? DType::s32 : DType::f32;
        value = f.argument({dtype, name == "key" ? Dims{spec.batch, 2} : Dims{spec.batch}}, {.name = name});
      },
      sampler);
  Value stop_ids = f.argument({DType::s32, {kStopIds}}, {.name = "stop_ids"});
  carry.tokens = constant_int(f, DType::s32, kNoToken, {spec.batch, spec.steps});
  carry.logprobs = zeros(f, {DType::f32, {spec.batch, spec.steps}});

  model::LanguageModel lm(module, model.config, model.policy);
  const auto one_step = [&](Value i, const Values& values) {
    return step(lm, model, spec, w, sampler, stop_ids, carry.counter, i, carry.rebuilt(values)).flatten();
  };
  Carry done = spec.open
                   ? open_loop(f, spec, carry, f.argument({DType::s32, {}}, {.name = "limit"}), one_step)
                   : carry.rebuilt(fori(f, spec.steps, carry.flatten(), one_step));
  if (const auto phase = ring_phase(model, done.counter, carry.counter))
    for (model::LayerState<Value>& layer : done.state) layer.conv = model::unrolled(layer.conv, *phase);
  std::vector<NamedValue> results{{"tokens", done.tokens}, {"logprobs", done.logprobs}};
  for (NamedValue& v : named(done.state)) results.push_back(std::move(v));
  results.insert(results.end(),
                 {{"last_token", done.last_token}, {"counter", done.counter}, {"remaining", done.remaining}});
  if (done.history) results.push_back({"history", *done.history});
  f.finish(std::move(results));
}

template <class Spec, class Body>
Result<Graph> build(const ModelSpec& model, const Spec& spec, const Inspect& inspect, Body&& body) {
  return guard_build(to_string(spec), [&] {
    Module module(to_string(spec));
    body(module, model, spec);
    if (inspect) inspect(module);
    return Graph{to_string(spec), module.text(), module.main().signature(), module.cost()};
  });
}

}  // namespace

std::string to_string(const ExtendSpec& spec) {
  static constexpr const char* kOutputs[] = {"", "_last", "_all", "_scores"};
  return fmt::format("extend_b{}_t{}{}", spec.batch, spec.tokens, kOutputs[static_cast<int>(spec.outputs)]);
}

std::string to_string(const DecodeSpec& spec) {
  return fmt::format("decode_b{}_{}{}_{}", spec.batch, spec.open ? "upto" : "s", spec.steps,
                     to_string(spec.sampler));
}

Result<Graph> build_extend(const ModelSpec& model, const ExtendSpec& spec, const Inspect& inspect) {
  return build(model, spec, inspect, extend_body);
}
Result<Graph> build_decode(const ModelSpec& model, const DecodeSpec& spec, const Inspect& inspect) {
  return build(model, spec, inspect, decode_body);
}

}  // namespace adder::engine
