#include "engine/benchmark.h"

#include <fmt/format.h>

namespace adder::engine {

namespace {

struct Test {
  BenchmarkRow row;  ///< all but what is measured
  Trial trial;
};

/// The tests of one batch size at one depth.
Result<std::vector<Test>> tests_of(const Engine& engine, const BenchmarkOptions& options, std::int64_t batch,
                                   std::int64_t depth) {
  ADDER_TRY(State state, state_at(engine, batch, depth));
  const std::int64_t state_bytes = state.bytes();
  const StartState start = depth > 0 ? std::make_shared<const State>(std::move(state)) : nullptr;
  const std::string at = depth > 0 ? fmt::format(" @ d{}", depth) : "";
  std::vector<Test> tests;
  const auto add = [&](const char* kind, std::int64_t n, Trial trial) {
    BenchmarkRow row;
    row.test = fmt::format("{}{}{}", kind, n, at);
    row.batch = batch;
    row.depth = depth;
    row.state_bytes = state_bytes;
    row.peak_bytes = trial.peak_bytes;
    tests.push_back({std::move(row), std::move(trial)});
  };
  for (const std::int64_t n : options.prompts) {
    ADDER_TRY(Trial trial, prompt_trial(engine, n, batch, start));
    add("pp", n, std::move(trial));
  }
  for (const std::int64_t n : options.generates) {
    ADDER_TRY(Trial trial,
              generation_trial(engine, {.tokens = n, .batch = batch, .block = options.block}, start));
    add("tg", n, std::move(trial));
  }
  return tests;
}

}  // namespace

Result<BenchmarkReport> run_benchmark(const Engine& engine, const BenchmarkOptions& options,
                                      const std::function<void(const BenchmarkRow&)>& on_row) {
  ADDER_TRY(Meter meter, Meter::create(engine));
  BenchmarkReport report;
  for (const std::int64_t batch : options.batches) {
    for (const std::int64_t depth : options.depths) {
      ADDER_TRY(const std::vector<Test> tests, tests_of(engine, options, batch, depth));
      for (const Test& test : tests) {
        ADDER_TRY(const Measurement m, meter.measure(test.trial, {.repetitions = options.repetitions}));
        BenchmarkRow row = test.row;
        row.tokens_per_s = m.tokens_per_s;
        row.tokens_per_s_sd = m.tokens_per_s_sd;
        row.gemm_share = m.gemm_share;
        row.bandwidth_share = m.bandwidth_share;
        if (on_row) on_row(row);
        report.rows.push_back(std::move(row));
      }
    }
  }
  report.machine = meter.machine();
  return report;
}

}  // namespace adder::engine
