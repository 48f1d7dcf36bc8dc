// The suite's prompts: prefill rate, the cost of full recomputation, and what memory both take.

#include <fmt/format.h>

#include <algorithm>

#include "measure/process_memory.h"
#include "measure/suite_steps.h"

namespace adder::measure {

namespace {

constexpr std::int64_t kRateTokens = 128;

/// Bytes of a prefill of `tokens` as one program, which is compiled, asked and dropped.
Result<std::optional<std::int64_t>> one_program_bytes(const engine::Engine& engine, std::int64_t tokens) {
  ADDER_TRY(
      const engine::Graph graph,
      engine::build_extend(engine.programs().model(),
                           {.batch = 1, .tokens = tokens, .outputs = engine::ExtendSpec::Outputs::last}));
  ADDER_TRY(const pjrt::Executable program,
            engine.client().compile(graph.text, engine.programs().compile_options()));
  return program_bytes(program);
}

std::optional<std::int64_t> nonzero(std::int64_t bytes) {
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

/// Memory that only compiling can tell: the decode program beside one prefill of the whole length.
Status add_memory(const SuiteContext& c, std::optional<std::int64_t> decode_bytes) {
  const std::vector<std::int64_t> compiled = c.plan().of(Experiment::memory);
  for (MemoryPoint& point : c.report.memory) {
    point.cached = decode_bytes;
    if (std::find(compiled.begin(), compiled.end(), point.tokens) == compiled.end()) continue;
    const auto start = std::chrono::steady_clock::now();
    ADDER_TRY(point.one_program, one_program_bytes(c.engine, point.tokens));
    c.say(fmt::format("memory {}: one program compiled in {:.1f} s", point.tokens, seconds_since(start)));
  }
  return {};
}

}  // namespace

Result<SuiteRates> measure_rates(const engine::Engine& engine, const SuiteOptions& options,
                                 const Meter& meter) {
  SuiteRates rates;
  ADDER_TRY(const Trial prompt, prompt_trial(engine, kRateTokens, 1));
  ADDER_TRY(const Trial token, prompt_trial(engine, 1, 1));
  double compile_ms = 0;
  for (const engine::ProgramRef& program : engine.programs().ready())
    compile_ms = std::max(compile_ms, program->compile_ms);
  rates.compile_s = compile_ms / 1e3;
  const auto fastest = [](const Trial& trial) -> Result<double> {
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 4; ++i) {
      ADDER_TRY(const double seconds, trial.seconds());
      least = std::min(least, seconds);
    }
    return least;
  };
  ADDER_TRY(rates.step_s, fastest(token));
  ADDER_TRY(const double seconds, fastest(prompt));
  rates.prefill_s_per_token = seconds / static_cast<double>(kRateTokens);
  const auto start = std::chrono::steady_clock::now();
  ADDER_CHECK(meter.probe().sample(options.rounds));
  rates.sample_s = seconds_since(start);
  return rates;
}

Status run_prefill(const SuiteContext& c, const SuiteRates& rates) {
  for (const std::int64_t tokens : c.plan().of(Experiment::prefill)) {
    ADDER_TRY(const Trial trial, prompt_trial(c.engine, tokens, 1));
    const bool has_peak = reset_peak_resident();
    ADDER_TRY(const Measurement measured,
              c.meter.measure(trial, c.repeat(static_cast<double>(tokens) * rates.prefill_s_per_token)));
    const auto peak = has_peak ? peak_resident_bytes() : std::nullopt;
    c.say(fmt::format("prefill {}: {:.0f} tok/s, {:.0f}% of the GEMM rate", tokens, measured.tokens_per_s,
                      100 * measured.gemm_share));
    c.report.prefill.push_back({tokens, measured});
    if (tokens == 1) continue;
    MemoryPoint memory;
    memory.tokens = tokens;
    memory.recomputed = nonzero(trial.peak_bytes);
    memory.process_recomputed = peak;
    c.report.memory.push_back(memory);
  }
  ADDER_TRY(const Trial decode,
            generation_trial(c.engine, {.tokens = c.plan().sample, .block = c.plan().sample}));
  return add_memory(c, nonzero(decode.peak_bytes));
}

}  // namespace adder::measure
