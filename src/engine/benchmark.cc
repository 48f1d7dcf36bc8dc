#include "engine/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/ladder.h"

namespace adder::engine {

namespace {

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  const std::size_t n = x.size();
  return n == 0 ? 0 : n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

double deviation(const std::vector<double>& x) {
  double mean = 0, sum = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double v : x) sum += (v - mean) * (v - mean);
  return x.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(x.size() - 1));
}

/// One kind of run: what it does, and how much of it.
struct Test {
  std::string name;
  std::int64_t batch = 1;
  double tokens = 0, flops = 0, bytes = 0;  // a run, all rows together
  std::int64_t state_bytes = 0, peak_bytes = 0;
  std::function<Result<double>()> seconds;
};

/// Token ids that are spread over the vocabulary and the same everywhere.
std::vector<std::vector<std::int32_t>> prompt_of(std::int64_t tokens, std::int64_t batch,
                                                 std::int64_t vocab) {
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(batch));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < tokens; ++t)
      rows[static_cast<std::size_t>(b)].push_back(static_cast<std::int32_t>((t * 7919 + b * 104729) % vocab));
  return rows;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<double> time_prompt(const Engine& engine, const std::vector<std::vector<std::int32_t>>& rows) {
  ADDER_TRY(State zero, engine.zero_state(static_cast<std::int64_t>(rows.size())));
  Session session(engine, std::move(zero));
  const auto start = std::chrono::steady_clock::now();
  ADDER_TRY(const pjrt::Buffer logits, session.extend_logits(rows));
  ADDER_TRY(const pjrt::Event done, logits.ready());
  ADDER_CHECK(done.wait());
  return seconds_since(start);
}

Result<double> time_generation(const Engine& engine, std::int64_t tokens, std::int64_t batch,
                               std::int64_t block) {
  ADDER_TRY(State zero, engine.zero_state(batch));
  Session session(engine, std::move(zero));
  const auto rows = static_cast<std::size_t>(batch);
  ADDER_TRY(Generation generation,
            Generation::start(session, prompt_of(1, batch, engine.config().vocab_size),
                              {.sampling = std::vector<SamplingOptions>(rows, {.temperature = 0}),
                               .stop_ids = {},
                               .max_tokens = std::vector<std::int64_t>(rows, tokens),
                               .block = std::min(block, tokens)}));
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    ADDER_TRY(const auto got, generation.next());
    if (!got) return seconds_since(start);
  }
}

void add_program(Test& test, const Program& program, double runs) {
  test.flops += static_cast<double>(program.cost.dot_flops) * runs;
  if (const auto memory = program.executable.memory_stats())
    test.peak_bytes = std::max(test.peak_bytes,
                               memory->arguments + memory->outputs - memory->aliased + memory->temporaries);
}

Result<Test> prompt_test(const Engine& engine, std::int64_t tokens, std::int64_t batch,
                         std::int64_t state_bytes) {
  Test test{.name = fmt::format("pp{}", tokens), .batch = batch, .state_bytes = state_bytes, .seconds = {}};
  const auto pieces = plan_pieces(tokens);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool last = i + 1 == pieces.size();
    ADDER_TRY(
        const ProgramRef program,
        engine.programs().extend({.batch = batch,
                                  .tokens = pieces[i],
                                  .outputs = last ? ExtendSpec::Outputs::last : ExtendSpec::Outputs::state}));
    add_program(test, *program, 1);
  }
  test.tokens = static_cast<double>(tokens * batch);
  test.bytes =
      static_cast<double>(pieces.size()) * static_cast<double>(engine.weight_bytes() + 2 * state_bytes);
  test.seconds = [&engine, rows = prompt_of(tokens, batch, engine.config().vocab_size)] {
    return time_prompt(engine, rows);
  };
  return test;
}

Result<Test> generate_test(const Engine& engine, std::int64_t tokens, std::int64_t batch, std::int64_t block,
                           std::int64_t state_bytes) {
  Test test{.name = fmt::format("tg{}", tokens), .batch = batch, .state_bytes = state_bytes, .seconds = {}};
  const std::int64_t steps = std::min(block, tokens), blocks = (tokens + steps - 1) / steps;
  ADDER_TRY(const ProgramRef program,
            engine.programs().decode({.batch = batch, .steps = steps, .sampler = {}}));
  add_program(test, *program, static_cast<double>(blocks));
  test.tokens = static_cast<double>(tokens * batch);
  test.bytes =
      static_cast<double>(blocks * steps) * static_cast<double>(engine.weight_bytes() + 2 * state_bytes);
  test.seconds = [&engine, tokens, batch, block] { return time_generation(engine, tokens, batch, block); };
  return test;
}

Result<BenchmarkRow> measure(const Test& test, const LimitsProbe& probe, std::int64_t repetitions,
                             std::vector<Limits>& samples) {
  ADDER_CHECK(test.seconds());  // warms up
  std::vector<double> rates, gemm, bandwidth;
  for (std::int64_t i = 0; i < repetitions; ++i) {
    ADDER_TRY(const Limits limits, probe.sample());
    ADDER_TRY(const double seconds, test.seconds());
    samples.push_back(limits);
    rates.push_back(test.tokens / seconds);
    gemm.push_back(test.flops / seconds / 1e9 / limits.gemm_gflop_s);
    bandwidth.push_back(test.bytes / seconds / 1e9 / limits.read_gb_s);
  }
  return BenchmarkRow{.test = test.name,
                      .batch = test.batch,
                      .tokens_per_s = median(rates),
                      .tokens_per_s_sd = deviation(rates),
                      .gemm_share = median(gemm),
                      .bandwidth_share = median(bandwidth),
                      .state_bytes = test.state_bytes,
                      .peak_bytes = test.peak_bytes};
}

}  // namespace

Result<BenchmarkReport> run_benchmark(const Engine& engine, const BenchmarkOptions& options,
                                      const std::function<void(const BenchmarkRow&)>& on_row) {
  ADDER_TRY(const LimitsProbe probe, LimitsProbe::create(engine.client(), engine.device()));
  BenchmarkReport report;
  std::vector<Limits> samples;
  for (const std::int64_t batch : options.batches) {
    ADDER_TRY(const State zero, engine.zero_state(batch));
    std::vector<Test> tests;
    for (const std::int64_t n : options.prompts) {
      ADDER_TRY(Test test, prompt_test(engine, n, batch, zero.bytes()));
      tests.push_back(std::move(test));
    }
    for (const std::int64_t n : options.generates) {
      ADDER_TRY(Test test, generate_test(engine, n, batch, options.block, zero.bytes()));
      tests.push_back(std::move(test));
    }
    for (const Test& test : tests) {
      ADDER_TRY(BenchmarkRow row, measure(test, probe, options.repetitions, samples));
      if (on_row) on_row(row);
      report.rows.push_back(std::move(row));
    }
  }
  std::vector<double> read, gemm;
  for (const Limits& limits : samples) {
    read.push_back(limits.read_gb_s);
    gemm.push_back(limits.gemm_gflop_s);
  }
  report.machine = {.read_gb_s = median(read), .gemm_gflop_s = median(gemm)};
  return report;
}

}  // namespace adder::engine
