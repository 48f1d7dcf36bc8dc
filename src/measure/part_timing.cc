#include "measure/part_timing.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <random>

#include "engine/build_guard.h"
#include "hlo/arith.h"
#include "measure/measure.h"

namespace adder::measure {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

using Clock = std::chrono::steady_clock;

/// One argument of the sub-program: a weight of the engine, or made-up values.
struct Argument {
  Shape shape;
  const pjrt::Buffer* weight = nullptr;
};

/// Writes the loop around the part. Legend: sites, inputs and outputs as in hlo::Part.
class LoopWriter {
 public:
  LoopWriter(const Part& part, const std::map<std::string, const pjrt::Buffer*>& weights,
             const std::vector<std::string>& names, std::size_t sites)
      : part_(part), weights_(weights), names_(names), sites_(sites), module_(safe(part.scope)) {}

  std::string write();
  const std::vector<Argument>& arguments() const { return arguments_; }

 private:
  static std::string safe(const std::string& scope) { return "part_" + (scope.empty() ? "other" : scope); }
  Value declare(Shape shape, const pjrt::Buffer* weight);
  void declare_inputs();
  bool is_weight(std::size_t input) const;
  Value touch(Value chain, Value output) const;

  const Part& part_;
  const std::map<std::string, const pjrt::Buffer*>& weights_;
  const std::vector<std::string>& names_;
  std::size_t sites_;
  Module module_;
  std::vector<Argument> arguments_;
  std::vector<Values> inputs_;  // by site
  int chain_ = -1;              // input that links one run to the next
};

bool LoopWriter::is_weight(std::size_t input) const {
  const int argument = part_.sites.front().arguments[input];
  return argument >= 0 && weights_.count(names_[static_cast<std::size_t>(argument)]) > 0;
}

Value LoopWriter::declare(Shape shape, const pjrt::Buffer* weight) {
  arguments_.push_back({shape, weight});
  return module_.main().argument(std::move(shape));
}

void LoopWriter::declare_inputs() {
  inputs_.resize(sites_);
  for (std::size_t i = 0; i < part_.inputs.size(); ++i) {
    const Shape shape = part_.shape(part_.inputs[i]);
    const bool own = part_.sites.front().arguments[i] >= 0;
    const bool updated =
        std::find(part_.updates.begin(), part_.updates.end(), static_cast<int>(i)) != part_.updates.end();
    for (std::size_t s = 0; s < sites_; ++s) {
      const pjrt::Buffer* weight = nullptr;
      if (is_weight(i)) weight = weights_.at(names_[static_cast<std::size_t>(part_.sites[s].arguments[i])]);
      inputs_[s].push_back(s == 0 || own || updated ? declare(shape, weight) : inputs_[0][i]);
    }
    if (is_weight(i) || updated) continue;
    if (chain_ < 0 || (part_.sites.front().arguments[static_cast<std::size_t>(chain_)] >= 0 && !own))
      chain_ = static_cast<int>(i);
  }
}

/// `chain` with its first element replaced by the first of `output`.
Value LoopWriter::touch(Value chain, Value output) const {
  Function& f = chain.function();
  const auto rank = static_cast<std::size_t>(output.rank());
  Value element = view(slice(output, Dims(rank, 0), Dims(rank, 1), Dims(rank, 1)), {});
  if (element.dtype() != chain.dtype()) element = convert(element, chain.dtype());
  const Values at(static_cast<std::size_t>(chain.rank()), constant_int(f, DType::s32, 0));
  return dynamic_update_slice(chain, view(element, Dims(static_cast<std::size_t>(chain.rank()), 1)), at);
}

std::string LoopWriter::write() {
  Function& f = module_.main();
  Value trips = declare({DType::s32, {}}, nullptr);
  declare_inputs();
  // Carried: the counter, the chained input, then each site's outputs.
  Values init{constant_int(f, DType::s32, 0)};
  if (chain_ >= 0) init.push_back(inputs_[0][static_cast<std::size_t>(chain_)]);
  const std::size_t head = init.size();
  for (std::size_t s = 0; s < sites_; ++s)
    for (std::size_t o = 0; o < part_.outputs.size(); ++o)
      init.push_back(part_.updates[o] >= 0 ? inputs_[s][static_cast<std::size_t>(part_.updates[o])]
                                           : zeros(f, part_.shape(part_.outputs[o])));
  const auto body = [&](const Values& carried) {
    Values next{add(carried[0], constant_int(f, DType::s32, 1))};
    Value chain = chain_ >= 0 ? carried[1] : Value();
    Values outputs_of_all;
    for (std::size_t s = 0; s < sites_; ++s) {
      Values inputs = inputs_[s];
      const std::size_t first = head + s * part_.outputs.size();
      for (std::size_t o = 0; o < part_.outputs.size(); ++o)
        if (part_.updates[o] >= 0) inputs[static_cast<std::size_t>(part_.updates[o])] = carried[first + o];
      if (chain_ >= 0) inputs[static_cast<std::size_t>(chain_)] = chain;
      const Values outputs = emit(part_, f, inputs);
      if (chain_ >= 0 && !outputs.empty()) chain = touch(chain, outputs.front());
      outputs_of_all.insert(outputs_of_all.end(), outputs.begin(), outputs.end());
    }
    if (chain_ >= 0) next.push_back(chain);
    next.insert(next.end(), outputs_of_all.begin(), outputs_of_all.end());
    return next;
  };
  const Values done = while_(
      init, [&](const Values& carried) { return compare(carried[0], trips, Comparison::LT); }, body);
  std::vector<NamedValue> results;
  for (std::size_t i = 1; i < done.size(); ++i) results.push_back({fmt::format("r{}", i), done[i]});
  f.finish(std::move(results));
  return module_.text();
}

/// Values of a moderate size that keep decays below one.
std::vector<std::byte> made_up(const Shape& shape) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.bytes()));
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> values(-0.6f, -0.1f);
  const auto n = static_cast<std::size_t>(shape.elements());
  if (shape.dtype == DType::f32) {
    std::vector<float> data(n);
    for (float& v : data) v = values(random);
    std::memcpy(bytes.data(), data.data(), bytes.size());
  } else if (byte_size(shape.dtype) == 4) {
    const std::vector<std::int32_t> ones(n, 1);
    std::memcpy(bytes.data(), ones.data(), bytes.size());
  } else {
    std::fill(bytes.begin(), bytes.end(), std::byte{1});
  }
  return bytes;
}

/// The compiled loop with its arguments; run(n) gives the seconds that n trips take.
class Loop {
 public:
  static Result<Loop> make(const engine::Engine& engine, const std::string& text,
                           const std::vector<Argument>& arguments) {
    Loop loop(engine);
    ADDER_TRY(loop.executable_, engine.client().compile(text, engine.programs().compile_options()));
    for (const Argument& argument : arguments) {
      loop.given_.push_back(argument.weight);
      pjrt::Buffer buffer;
      if (argument.weight == nullptr) {
        const auto bytes = made_up(argument.shape);
        ADDER_TRY(buffer, engine.client().to_device(bytes.data(), argument.shape, engine.device()));
      }
      loop.own_.push_back(std::move(buffer));
    }
    return loop;
  }

  Result<double> run(std::int32_t trips) {
    ADDER_TRY(own_[0], engine_->client().to_device(&trips, Shape{DType::s32, {}}, engine_->device()));
    std::vector<const pjrt::Buffer*> arguments;
    for (std::size_t i = 0; i < own_.size(); ++i) arguments.push_back(given_[i] ? given_[i] : &own_[i]);
    const auto start = Clock::now();
    pjrt::Event done;
    ADDER_TRY(const auto results, executable_.execute(arguments, {.completion = &done}));
    ADDER_CHECK(done.wait());
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 private:
  explicit Loop(const engine::Engine& engine) : engine_(&engine) {}
  const engine::Engine* engine_;
  pjrt::Executable executable_;
  std::vector<const pjrt::Buffer*> given_;
  std::vector<pjrt::Buffer> own_;
};

/// Seconds of one trip.
Result<double> slope(Loop& loop, std::int64_t repetitions) {
  constexpr double kLong = 0.06;  // seconds that the longer run should take at least
  ADDER_CHECK(loop.run(1));
  ADDER_TRY(const double once, loop.run(1));
  ADDER_TRY(const double ten, loop.run(11));
  const double guess = std::max((ten - once) / 10, 1e-7);
  const auto more = static_cast<std::int32_t>(std::clamp(kLong / guess, 2.0, 20000.0));
  std::vector<double> slopes;
  for (std::int64_t i = 0; i < repetitions; ++i) {
    ADDER_TRY(const double few, loop.run(1));
    ADDER_TRY(const double many, loop.run(1 + more));
    slopes.push_back((many - few) / more);
  }
  return median(slopes);
}

}  // namespace

Cost cost_of(const Part& part) {
  Module module("cost");
  Function& f = module.main();
  Values inputs;
  for (ValueId id : part.inputs) inputs.push_back(f.argument(part.shape(id)));
  std::vector<NamedValue> results;
  for (const Value& v : emit(part, f, inputs)) results.push_back({"", v});
  f.finish(std::move(results));
  return module.cost();
}

Result<double> time_part(const engine::Engine& engine, const Part& part,
                         const std::vector<std::string>& argument_names, const TimingOptions& options) {
  std::map<std::string, const pjrt::Buffer*> weights;
  for (std::size_t i = 0; i < engine.weights().size(); ++i)
    weights[engine.model().parameters[i].name] = &engine.weights()[i];
  const std::size_t sites = options.all_sites ? part.sites.size() : 1;
  std::vector<Argument> arguments;
  ADDER_TRY(const std::string text,
            engine::guard_build(fmt::format("a sub-program for the part '{}'", part.scope), [&] {
              LoopWriter writer(part, weights, argument_names, sites);
              std::string written = writer.write();
              arguments = writer.arguments();
              return written;
            }));
  ADDER_TRY(Loop loop, Loop::make(engine, text, arguments));
  ADDER_TRY(const double trip, slope(loop, options.repetitions));
  return 1e3 * std::max(trip, 0.0) / static_cast<double>(sites);
}

}  // namespace adder::measure
