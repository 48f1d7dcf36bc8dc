#include "serve/start_up.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <set>

#include "engine/ladder.h"

namespace adder::serve {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Each batch size once: a state of each is made before anything runs.
std::set<std::int64_t> batches_of(const ProgramPlan& plan) {
  std::set<std::int64_t> out;
  for (const engine::ExtendSpec& spec : plan.extend) out.insert(spec.batch);
  if (plan.decode) out.insert(plan.decode->batch);
  return out;
}

}  // namespace

void ProgramPlan::add_extend(std::int64_t tokens, engine::ExtendSpec::Outputs outputs, std::int64_t batch) {
  for (const std::int64_t piece : engine::plan_pieces(tokens)) {
    const engine::ExtendSpec spec{.batch = batch, .tokens = piece, .outputs = outputs};
    if (std::find(extend.begin(), extend.end(), spec) == extend.end()) extend.push_back(spec);
  }
}

Result<StartUpTimes> start_up(engine::Engine& engine, const ProgramPlan& plan) {
  constexpr auto kIfThereAreThreads = std::launch::async | std::launch::deferred;  // else one after the other
  const auto start = Clock::now();
  StartUpTimes times{.tune_ms = engine.tune_ms()};
  engine::Programs& programs = engine.programs();
  struct Compiled {
    Status status;
    double at_ms = 0;  ///< since the start
  };
  std::vector<std::future<Compiled>> compiling;
  const auto compile = [&](auto get) {
    compiling.push_back(std::async(kIfThereAreThreads, [get, start] {
      const Result<engine::ProgramRef> program = get();
      return Compiled{program ? Status() : fail(program.error()), milliseconds_since(start)};
    }));
  };
  if (plan.decode) compile([&programs, &plan] { return programs.decode(*plan.decode); });
  for (const engine::ExtendSpec& spec : plan.extend)
    compile([&programs, spec] { return programs.extend(spec); });
  for (const std::int64_t batch : batches_of(plan))
    compile(
        [&programs, batch] { return programs.state({.op = engine::StateSpec::Op::zero, .batch = batch}); });

  const Status loaded = engine.load();
  times.load_ms = milliseconds_since(start);
  Status compiled;
  StepsScope bar(engine.steps(), compiling.size(), "compiling");
  for (auto& future : compiling) {
    Compiled one = future.get();
    times.compile_ms = std::max(times.compile_ms, one.at_ms);
    if (!one.status && compiled) compiled = std::move(one.status);
    bar.advance();
  }
  ADDER_CHECK(loaded);
  ADDER_CHECK(std::move(compiled));
  return times;
}

}  // namespace adder::serve
