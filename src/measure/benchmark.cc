#include "measure/benchmark.h"

#include <fmt/format.h>

#include <optional>

namespace adder::measure {

namespace {

struct Test {
  BenchmarkRow row;  ///< all but what is measured
  Trial trial;
};

/// The tests of one batch size at one depth.
Result<std::vector<Test>> tests_of(const engine::Engine& engine, const BenchmarkOptions& options,
                                   std::int64_t batch, std::int64_t depth) {
  ADDER_TRY(engine::State state, state_at(engine, batch, depth));
  const std::int64_t state_bytes = state.bytes();
  const StartState start = depth > 0 ? std::make_shared<const engine::State>(std::move(state)) : nullptr;
  const std::string at = depth > 0 ? fmt::format(" @ d{}", depth) : "";
  std::vector<Test> tests;
  const auto add = [&](std::int64_t n_prompt, std::int64_t n_gen, Trial trial) {
    BenchmarkRow row;
    row.test = fmt::format("{}{}{}", n_prompt > 0 ? "pp" : "tg", n_prompt + n_gen, at);
    row.n_prompt = n_prompt;
    row.n_gen = n_gen;
    row.batch = batch;
    row.depth = depth;
    row.state_bytes = state_bytes;
    row.peak_bytes = trial.peak_bytes;
    tests.push_back({std::move(row), std::move(trial)});
  };
  for (const std::int64_t n : options.prompts) {
    ADDER_TRY(Trial trial, prompt_trial(engine, n, batch, start));
    add(n, 0, std::move(trial));
  }
  for (const std::int64_t n : options.generates) {
    ADDER_TRY(Trial trial,
              generation_trial(engine, {.tokens = n, .batch = batch, .block = options.block}, start));
    add(0, n, std::move(trial));
  }
  return tests;
}

Status measure(const engine::Engine& engine, const BenchmarkOptions& options, Meter& meter, const Test& test,
               const std::string& label, BenchmarkRow& row) {
  StepsScope bar(engine.steps(), static_cast<std::uint64_t>(options.repetitions) + 1, label);
  const auto on_run = [&]() -> Status {
    bar.advance();
    if (options.cancelled()) return fail(ErrorCode::cancelled, "stopped while measuring " + test.row.test);
    return {};
  };
  ADDER_TRY(const Measurement m,
            meter.measure(test.trial, {.repetitions = options.repetitions, .on_run = on_run}));
  row = test.row;
  row.tokens_per_s = m.tokens_per_s;
  row.tokens_per_s_sd = m.tokens_per_s_sd;
  row.samples = m.rates;
  row.gemm_share = m.gemm_share;
  row.bandwidth_share = m.bandwidth_share;
  return {};
}

}  // namespace

Result<BenchmarkReport> run_benchmark(const engine::Engine& engine, const BenchmarkOptions& options,
                                      const std::function<void(const BenchmarkRow&)>& on_row) {
  const auto waiting = [&](const std::string& label) { return StepsScope(engine.steps(), 0, label); };
  std::optional<Meter> meter;
  {
    const StepsScope bar = waiting("preparing to measure the machine's limits");
    ADDER_TRY(Meter made, Meter::create(engine));
    meter.emplace(std::move(made));
  }
  BenchmarkReport report;
  const std::size_t in_all =
      options.batches.size() * options.depths.size() * (options.prompts.size() + options.generates.size());
  for (const std::int64_t batch : options.batches) {
    for (const std::int64_t depth : options.depths) {
      std::vector<Test> tests;
      {
        const StepsScope bar = waiting(fmt::format("compiling for batch {}, depth {}", batch, depth));
        ADDER_TRY(tests, tests_of(engine, options, batch, depth));
      }
      for (const Test& test : tests) {
        BenchmarkRow row;
        const std::string label =
            fmt::format("{} batch {} ({} of {})", test.row.test, batch, report.rows.size() + 1, in_all);
        ADDER_CHECK(measure(engine, options, *meter, test, label, row));
        if (on_row) on_row(row);
        report.rows.push_back(std::move(row));
      }
    }
  }
  report.machine = meter->samples();
  return report;
}

}  // namespace adder::measure
