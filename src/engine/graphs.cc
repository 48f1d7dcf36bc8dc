#include "engine/graphs.h"

#include <fmt/format.h>

#include <limits>

#include "engine/build_guard.h"
#include "engine/random.h"
#include "hlo/arith.h"
#include "hlo/scope.h"
#include "model/language_model.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

Values declare_params(Function& f, const ModelSpec& model) {
  Values out;
  for (const arch::Parameter& p : model.parameters) out.push_back(f.argument(p.shape, {.name = p.name}));
  return out;
}

Value donated(Function& f, const std::string& name, const Shape& shape) {
  return f.argument(shape, {.name = name, .donated_to = name});
}

Values declare_state(Function& f, const ModelSpec& model, std::int64_t batch) {
  Values out;
  for (const arch::StateField& field : model.state) out.push_back(donated(f, field.name, field.shape(batch)));
  return out;
}

std::vector<NamedValue> named(const ModelSpec& model, const Values& state) {
  std::vector<NamedValue> out;
  for (std::size_t i = 0; i < state.size(); ++i) out.push_back({model.state[i].name, state[i]});
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
  const Values weights = declare_params(f, model), state = declare_state(f, model, spec.batch);
  Value tokens = f.argument({DType::s32, {spec.batch, spec.tokens}}, {.name = "tokens"});
  Value lengths = f.argument({DType::s32, {spec.batch}}, {.name = "lengths"});

  model::LanguageModel lm(module, model, weights);
  auto out = lm.forward(tokens, state, {.lengths = lengths, .position = state.back(), .phase = {}});
  out.state.push_back(state.back() + lengths);
  std::vector<NamedValue> results = named(model, out.state);
  if (spec.outputs == ExtendSpec::Outputs::last) {
    results.push_back({"logits", lm.logits(lm.final_norm(last_real(out.hidden.back(), lengths)))});
  } else if (spec.outputs == ExtendSpec::Outputs::scores) {
    Value targets = f.argument({DType::s32, {spec.batch, spec.tokens}}, {.name = "targets"});
    Value logits = lm.logits(lm.final_norm(out.hidden.back()));
    results.push_back({"logprobs", log_probability(logits, targets, model.config->vocab_size)});
  } else if (spec.outputs == ExtendSpec::Outputs::all) {
    for (std::size_t i = 0; i < out.hidden.size(); ++i)
      results.push_back({fmt::format("hidden.{}", i), out.hidden[i]});
    const model::Normed final_hidden = lm.final_norm(out.hidden.back());
    results.push_back({"final_hidden", whole(final_hidden)});
    results.push_back({"logits", lm.logits(final_hidden)});
  }
  f.finish(std::move(results));
}

/// What the decode loop carries, in the order of its results.
struct Carry {
  Value tokens, logprobs;                // [B,S]
  Values state;                          // in the schema's order, without the position
  Value last_token, counter, remaining;  // [B]
  std::optional<Value> history;          // [B,V]

  Values flatten() const {
    Values out{tokens, logprobs};
    out.insert(out.end(), state.begin(), state.end());
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
    for (Value& v : out.state) v = *next++;
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

/// Where rows stand before the first step of a block.
struct Start {
  Value counter, position;  // [B]

  /// [B] s32: tokens that a row has absorbed since, which is how far its counter has gone on.
  Value steps(Value now) const { return convert(now - counter, DType::s32); }
};

/// [B] s32: which row of a ring is the oldest, where windows are rings: they start as windows, and each token
/// that a row absorbs moves its ring on by one.
std::optional<Value> ring_phase(const ModelSpec& model, const Start& start, Value counter) {
  const std::int64_t rows = model.window_rows();
  if (!model.policy.ring_windows || rows < 1) return std::nullopt;
  return convert(
      remainder(counter - start.counter, constant_int(counter.function(), DType::u32, rows, counter.dims())),
      DType::s32);
}

/// One step: absorb last_token, choose the next, write column i of the block.
Carry step(model::LanguageModel& lm, const ModelSpec& model, const DecodeSpec& spec,
           const SamplerParams<Value>& sampler, Value stop_ids, const Start& start, Value i, const Carry& c) {
  Function& f = i.function();
  Value active = gt(c.remaining, 0);        // [B]
  Value one = convert(active, DType::s32);  // [B] 1 where active
  const auto out = lm.forward(view(c.last_token, {spec.batch, 1}), c.state,
                              {.lengths = one,
                               .position = start.position + start.steps(c.counter),
                               .phase = ring_phase(model, start, c.counter)});
  Value logits = lm.logits(lm.final_norm(view(out.hidden.back(), {spec.batch, model.config->d_model})));
  Scope part(f, "sampler");
  const Draw draw = sample(spec.sampler, sampler, logits, model.config->vocab_size, c.history,
                           uniform(sampler.key, c.counter));

  part.next("bookkeeping");
  Carry next = c;
  next.state = out.state;
  Value finite = all_finite(logits, model.config->vocab_size);
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
  const Values weights = declare_params(f, model);
  Carry carry;
  carry.state = declare_state(f, model, spec.batch);
  Value position = carry.state.back();
  carry.state.pop_back();
  carry.last_token = donated(f, "last_token", rows_s32);
  carry.counter = donated(f, "counter", {DType::u32, {spec.batch}});
  carry.remaining = donated(f, "remaining", rows_s32);
  if (spec.sampler.penalties)
    carry.history = donated(f, "history", {DType::s32, {spec.batch, model.config->padded_vocab_size}});
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

  const Start start{carry.counter, position};
  model::LanguageModel lm(module, model, weights);
  const auto one_step = [&](Value i, const Values& values) {
    return step(lm, model, spec, sampler, stop_ids, start, i, carry.rebuilt(values)).flatten();
  };
  Carry done = spec.open
                   ? open_loop(f, spec, carry, f.argument({DType::s32, {}}, {.name = "limit"}), one_step)
                   : carry.rebuilt(fori(f, spec.steps, carry.flatten(), one_step));
  if (const auto phase = ring_phase(model, start, done.counter))
    for (std::size_t i = 0; i < done.state.size(); ++i)
      if (model.state[i].kind == arch::StateField::Kind::window)
        done.state[i] = model::unrolled(done.state[i], *phase);
  done.state.push_back(position + start.steps(done.counter));
  std::vector<NamedValue> results{{"tokens", done.tokens}, {"logprobs", done.logprobs}};
  for (NamedValue& v : named(model, done.state)) results.push_back(std::move(v));
  results.insert(results.end(),
                 {{"last_token", done.last_token}, {"counter", done.counter}, {"remaining", done.remaining}});
  if (done.history) results.push_back({"history", *done.history});
  f.finish(std::move(results));
}

/// A state as arguments that stay the caller's.
Values plain_state(Function& f, const ModelSpec& model, std::int64_t batch, const std::string& prefix) {
  Values out;
  for (const arch::StateField& field : model.state)
    out.push_back(f.argument(field.shape(batch), {.name = prefix + field.name}));
  return out;
}

/// Rows index[b] of `all` [F,...] -> [B,...].
Value rows_at(Value all, Value index) {
  Dims offsets, sizes = all.dims();
  for (std::int64_t axis = 1; axis < all.rank(); ++axis) offsets.push_back(axis);
  sizes.front() = 1;
  return gather(
      all, view(index, {index.dim(0), 1}),
      {.offset_dims = offsets, .collapsed_slice_dims = {0}, .start_index_map = {0}, .index_vector_dim = 1},
      sizes);
}

/// Row r of `rows` [R,...] takes the place of row index[r] of `all` [B,...], for every r in turn.
Value with_rows(Value all, Value rows, Value index) {
  Function& f = all.function();
  for (std::int64_t r = 0; r < rows.dim(0); ++r) {
    Values start{view(slice_axis(index, 0, r, r + 1), {})};
    for (std::int64_t axis = 1; axis < all.rank(); ++axis) start.push_back(constant_int(f, DType::s32, 0));
    all = dynamic_update_slice(all, slice_axis(rows, 0, r, r + 1), start);
  }
  return all;
}

void state_body(Module& module, const ModelSpec& model, const StateSpec& spec) {
  Function& f = module.main();
  Values out;
  switch (spec.op) {
    case StateSpec::Op::zero:
      for (const arch::StateField& field : model.state) out.push_back(zeros(f, field.shape(spec.batch)));
      break;
    case StateSpec::Op::gather: {
      const Values from = plain_state(f, model, spec.other, "");
      Value rows = f.argument({DType::s32, {spec.batch}}, {.name = "rows"});
      for (const Value& v : from) out.push_back(rows_at(v, rows));
      break;
    }
    case StateSpec::Op::scatter: {
      const Values into = declare_state(f, model, spec.batch);
      const Values from = plain_state(f, model, spec.other, "other.");
      Value rows = f.argument({DType::s32, {spec.other}}, {.name = "rows"});
      for (std::size_t i = 0; i < into.size(); ++i) out.push_back(with_rows(into[i], from[i], rows));
      break;
    }
  }
  f.finish(named(model, out));
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

std::string to_string(const StateSpec& spec) {
  switch (spec.op) {
    case StateSpec::Op::gather:
      return fmt::format("state_gather_b{}_f{}", spec.batch, spec.other);
    case StateSpec::Op::scatter:
      return fmt::format("state_scatter_b{}_r{}", spec.batch, spec.other);
    default:
      return fmt::format("state_zero_b{}", spec.batch);
  }
}

Result<Graph> build_extend(const ModelSpec& model, const ExtendSpec& spec, const Inspect& inspect) {
  return build(model, spec, inspect, extend_body);
}
Result<Graph> build_state(const ModelSpec& model, const StateSpec& spec, const Inspect& inspect) {
  return build(model, spec, inspect, state_body);
}
Result<Graph> build_decode(const ModelSpec& model, const DecodeSpec& spec, const Inspect& inspect) {
  return build(model, spec, inspect, decode_body);
}

}  // namespace adder::engine
