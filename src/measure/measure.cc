#include "measure/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/ladder.h"

namespace adder::measure {

namespace {

using Clock = std::chrono::steady_clock;
using Rows = std::vector<std::vector<std::int32_t>>;

Result<engine::State> begin_with(const engine::Engine& engine, std::int64_t batch, const StartState& start) {
  return start ? start->clone(engine.device()) : engine.zero_state(batch);
}

Result<double> time_prompt(const engine::Engine& engine, const Rows& rows, const StartState& from) {
  ADDER_TRY(engine::State state, begin_with(engine, static_cast<std::int64_t>(rows.size()), from));
  engine::Session session(engine, std::move(state));
  const auto start = Clock::now();
  ADDER_TRY(const pjrt::Buffer logits, session.extend_logits(rows));
  ADDER_TRY(const pjrt::Event done, logits.ready());
  ADDER_CHECK(done.wait());
  return seconds_since(start);
}

/// One generation from its beginning to its end; `on_block` is called with every block and the seconds that
/// had passed when the host had it.
Result<double> run_generation(const engine::Engine& engine, const GenerationRun& run, const StartState& from,
                              const std::function<void(const engine::TokenBlock&, double)>& on_block = {}) {
  ADDER_TRY(engine::State state, begin_with(engine, run.batch, from));
  engine::Session session(engine, std::move(state));
  const auto rows = static_cast<std::size_t>(run.batch);
  ADDER_TRY(engine::Generation generation,
            engine::Generation::start(session, spread_ids(1, run.batch, engine.config().vocab_size),
                                      {.sampling = std::vector<SamplingOptions>(rows, {.temperature = 0}),
                                       .stop_ids = {},
                                       .max_tokens = std::vector<std::int64_t>(rows, run.tokens),
                                       .block = std::min(run.block, run.tokens),
                                       .in_flight = run.in_flight}));
  const auto start = Clock::now();
  while (true) {
    ADDER_TRY(const auto block, generation.next());
    if (!block) return seconds_since(start);
    if (on_block) on_block(*block, seconds_since(start));
  }
}

void add_program(Trial& trial, const engine::Program& program, double runs) {
  trial.flops += static_cast<double>(program.cost.dot_flops) * runs;
  trial.peak_bytes = std::max(trial.peak_bytes, program_bytes(program.executable).value_or(0));
}

}  // namespace

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

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Limits median_of(const std::vector<Limits>& samples) {
  const auto of = [&](double Limits::*field) {
    std::vector<double> values;
    for (const Limits& limits : samples) values.push_back(limits.*field);
    return median(std::move(values));
  };
  return {.read_gb_s = of(&Limits::read_gb_s),
          .gemm_gflop_s = of(&Limits::gemm_gflop_s),
          .gemm_bf16_gflop_s = of(&Limits::gemm_bf16_gflop_s)};
}

DType product_type(const engine::ModelSpec& model) {
  const bool bf16 = model.weight_dtype == DType::bf16 ||
                    (model.weight_dtype == DType::s8 && !model.policy.int8_activations);
  return bf16 ? DType::bf16 : DType::f32;
}

Result<Meter> Meter::create(const engine::Engine& engine) {
  const engine::ModelSpec& model = engine.programs().model();
  const DType products = product_type(model);
  ADDER_TRY(LimitsProbe probe, LimitsProbe::create(engine.client(), engine.device(),
                                                   {.compile = engine.programs().compile_options(),
                                                    .precision = model.policy.precision,
                                                    .bf16 = products == DType::bf16}));
  return Meter(std::move(probe), products);
}

Result<Measurement> Meter::measure(const Trial& trial, const Repeat& repeat) {
  ADDER_TRY(const auto all, measure_in_turn(std::span(&trial, 1), repeat));
  return all.front();
}

Result<std::vector<Measurement>> Meter::measure_in_turn(std::span<const Trial> trials, const Repeat& repeat) {
  struct Samples {
    std::vector<double> seconds, rates, gemm, bandwidth;
    double spent = 0;
  };
  std::vector<Samples> all(trials.size());
  const auto run = [&](const Trial& trial) -> Result<double> {
    ADDER_TRY(const double seconds, trial.seconds());
    if (repeat.on_run) ADDER_CHECK(repeat.on_run());
    return seconds;
  };
  if (repeat.warm_up)
    for (const Trial& trial : trials) ADDER_CHECK(run(trial));
  for (std::int64_t round = 0; round < std::max<std::int64_t>(repeat.repetitions, 1); ++round) {
    for (std::size_t i = 0; i < trials.size(); ++i) {
      Samples& s = all[i];
      if (round > 0 && s.spent >= repeat.seconds) continue;
      ADDER_TRY(const Limits limits, probe_.sample(repeat.rounds));
      ADDER_TRY(const double seconds, run(trials[i]));
      samples_.push_back(limits);
      s.spent += seconds;
      s.seconds.push_back(seconds);
      s.rates.push_back(trials[i].tokens / seconds);
      s.gemm.push_back(trials[i].flops / seconds / 1e9 / limits.gemm_rate(products_));
      s.bandwidth.push_back(trials[i].bytes / seconds / 1e9 / limits.read_gb_s);
    }
  }
  std::vector<Measurement> out;
  for (const Samples& s : all)
    out.push_back({.repetitions = static_cast<std::int64_t>(s.seconds.size()),
                   .rates = s.rates,
                   .seconds = median(s.seconds),
                   .seconds_sd = deviation(s.seconds),
                   .tokens_per_s = median(s.rates),
                   .tokens_per_s_sd = deviation(s.rates),
                   .gemm_share = median(s.gemm),
                   .bandwidth_share = median(s.bandwidth)});
  return out;
}

Rows spread_ids(std::int64_t tokens, std::int64_t batch, std::int64_t vocab) {
  Rows rows(static_cast<std::size_t>(batch));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < tokens; ++t)
      rows[static_cast<std::size_t>(b)].push_back(static_cast<std::int32_t>((t * 7919 + b * 104729) % vocab));
  return rows;
}

Result<engine::State> state_at(const engine::Engine& engine, std::int64_t batch, std::int64_t depth) {
  ADDER_TRY(engine::State zero, engine.zero_state(batch));
  if (depth == 0) return zero;
  engine::Session session(engine, std::move(zero));
  ADDER_CHECK(session.extend(spread_ids(depth, batch, engine.config().vocab_size)));
  return std::move(session).take_state();
}

std::optional<std::int64_t> program_bytes(const pjrt::Executable& program) {
  const auto memory = program.memory_stats();
  if (!memory) return std::nullopt;
  return memory->arguments + memory->outputs - memory->aliased + memory->temporaries;
}

Result<Trial> prompt_trial(const engine::Engine& engine, std::int64_t tokens, std::int64_t batch,
                           const StartState& start) {
  Trial trial;
  const auto pieces = engine::plan_pieces(tokens);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool last = i + 1 == pieces.size();
    ADDER_TRY(const engine::ProgramRef program,
              engine.programs().extend({.batch = batch,
                                        .tokens = pieces[i],
                                        .outputs = last ? engine::ExtendSpec::Outputs::last
                                                        : engine::ExtendSpec::Outputs::state}));
    add_program(trial, *program, 1);
  }
  ADDER_TRY(const engine::State zero, engine.zero_state(batch));
  trial.tokens = static_cast<double>(tokens * batch);
  trial.bytes =
      static_cast<double>(pieces.size()) * static_cast<double>(engine.weight_bytes() + 2 * zero.bytes());
  trial.seconds = [&engine, start, rows = spread_ids(tokens, batch, engine.config().vocab_size)] {
    return time_prompt(engine, rows, start);
  };
  return trial;
}

Result<Trial> generation_trial(const engine::Engine& engine, const GenerationRun& run,
                               const StartState& start) {
  Trial trial;
  const std::int64_t steps = std::min(run.block, run.tokens), blocks = (run.tokens + steps - 1) / steps;
  ADDER_TRY(const engine::ProgramRef program,
            engine.programs().decode({.batch = run.batch, .steps = steps, .sampler = {}}));
  add_program(trial, *program, static_cast<double>(blocks));
  ADDER_TRY(const engine::State zero, engine.zero_state(run.batch));
  trial.tokens = static_cast<double>(run.tokens * run.batch);
  trial.bytes =
      static_cast<double>(blocks * steps) * static_cast<double>(engine.weight_bytes() + 2 * zero.bytes());
  trial.seconds = [&engine, run, start] { return run_generation(engine, run, start); };
  return trial;
}

Result<std::vector<std::int32_t>> generated_ids(const engine::Engine& engine, const GenerationRun& run) {
  std::vector<std::int32_t> ids;
  ADDER_CHECK(run_generation(engine, run, nullptr, [&](const engine::TokenBlock& block, double) {
    ids.insert(ids.end(), block.tokens[0].begin(), block.tokens[0].end());
  }));
  return ids;
}

Result<std::vector<double>> time_marks(const engine::Engine& engine, const GenerationRun& run,
                                       const std::vector<std::int64_t>& marks) {
  std::vector<double> out;
  std::int64_t done = 0;
  ADDER_CHECK(run_generation(engine, run, nullptr, [&](const engine::TokenBlock& block, double seconds) {
    done += static_cast<std::int64_t>(block.tokens[0].size());
    while (out.size() < marks.size() && marks[out.size()] <= done) out.push_back(seconds);
  }));
  return out;
}

}  // namespace adder::measure
