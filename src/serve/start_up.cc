#include "serve/start_up.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "engine/ladder.h"

namespace adder::serve {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
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
  StartUpTimes times;
  engine::Programs& programs = engine.programs();
  std::vector<std::future<Result<engine::ProgramRef>>> compiling;
  if (plan.decode)
    compiling.push_back(std::async(kIfThereAreThreads, [&] { return programs.decode(*plan.decode); }));
  for (const engine::ExtendSpec& spec : plan.extend)
    compiling.push_back(std::async(kIfThereAreThreads, [&programs, spec] { return programs.extend(spec); }));

  std::future<Status> loading = std::async(kIfThereAreThreads, [&] {
    Status loaded = engine.load();
    times.load_ms = milliseconds_since(start);
    return loaded;
  });
  Status compiled;
  for (auto& future : compiling) {
    Result<engine::ProgramRef> program = future.get();
    if (!program && compiled) compiled = fail(std::move(program).error());
  }
  times.compile_ms = compiling.empty() ? 0 : milliseconds_since(start);
  ADDER_CHECK(loading.get());
  ADDER_CHECK(std::move(compiled));
  return times;
}

}  // namespace adder::serve
