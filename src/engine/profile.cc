#include "engine/profile.h"

#include <algorithm>
#include <chrono>

#include "engine/ladder.h"

namespace adder::engine {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x.empty() ? 0 : x[x.size() / 2];
}

std::vector<std::vector<std::int32_t>> prompt_of(std::int64_t tokens, std::int64_t batch,
                                                 std::int64_t vocab) {
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(batch));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < tokens; ++t)
      rows[static_cast<std::size_t>(b)].push_back(static_cast<std::int32_t>((t * 7919 + b * 104729) % vocab));
  return rows;
}

/// Milliseconds of one prompt.
Result<double> time_prefill(const Engine& engine, const ProfileOptions& o) {
  ADDER_TRY(State zero, engine.zero_state(o.batch));
  Session session(engine, std::move(zero));
  const auto start = Clock::now();
  ADDER_TRY(const pjrt::Buffer logits,
            session.extend_logits(prompt_of(o.prompt, o.batch, engine.config().vocab_size)));
  ADDER_TRY(const pjrt::Event done, logits.ready());
  ADDER_CHECK(done.wait());
  return milliseconds_since(start);
}

/// Milliseconds of one step, over one block of o.generate.
Result<double> time_step(const Engine& engine, const ProfileOptions& o) {
  ADDER_TRY(State zero, engine.zero_state(o.batch));
  Session session(engine, std::move(zero));
  const auto rows = static_cast<std::size_t>(o.batch);
  ADDER_TRY(Generation generation,
            Generation::start(session, prompt_of(1, o.batch, engine.config().vocab_size),
                              {.sampling = std::vector<SamplingOptions>(rows, {.temperature = 0}),
                               .stop_ids = {},
                               .max_tokens = std::vector<std::int64_t>(rows, o.generate),
                               .block = o.generate}));
  const auto start = Clock::now();
  while (true) {
    ADDER_TRY(const auto block, generation.next());
    if (!block) return milliseconds_since(start) / static_cast<double>(o.generate);
  }
}

template <class Time>
Result<double> median_of(std::int64_t repetitions, Time&& time) {
  ADDER_CHECK(time());
  std::vector<double> times;
  for (std::int64_t i = 0; i < repetitions; ++i) {
    ADDER_TRY(const double t, time());
    times.push_back(t);
  }
  return median(std::move(times));
}

Status time_parts(const Engine& engine, const hlo::Module& module, const hlo::Signature& signature,
                  double units, bool all_sites, const ProfileOptions& options,
                  const std::function<void(const std::string&)>& progress, RunProfile& out) {
  std::vector<std::string> names;
  for (const auto& argument : signature.arguments) names.push_back(argument.name);
  for (const hlo::Part& part : hlo::parts_of(module.main())) {
    if (part.outputs.empty()) continue;
    ADDER_TRY(PartTiming timing, time_part(engine, part, names, all_sites, options.repetitions));
    timing.ms /= units;
    timing.runs = static_cast<std::int64_t>(static_cast<double>(timing.runs) / units);
    timing.cost.dot_flops = static_cast<std::int64_t>(static_cast<double>(timing.cost.dot_flops) / units);
    timing.cost.elementwise_flops =
        static_cast<std::int64_t>(static_cast<double>(timing.cost.elementwise_flops) / units);
    timing.cost.bytes = static_cast<std::int64_t>(static_cast<double>(timing.cost.bytes) / units);
    if (progress) progress(out.run + " " + timing.scope);
    out.parts.push_back(std::move(timing));
  }
  return {};
}

}  // namespace

double RunProfile::parts_ms() const {
  double sum = 0;
  for (const PartTiming& part : parts) sum += part.ms;
  return sum;
}

Result<std::vector<RunProfile>> profile(const Engine& engine, const ProfileOptions& o,
                                        const std::function<void(const std::string&)>& progress) {
  std::vector<RunProfile> out;
  const ModelSpec& model = engine.programs().model();
  if (o.generate > 0) {
    RunProfile run{.run = "decode", .unit = "step", .parts = {}};
    ADDER_TRY(run.whole_ms, median_of(o.repetitions, [&] { return time_step(engine, o); }));
    Status status;
    ADDER_CHECK(build_decode(model, {.batch = o.batch, .steps = o.generate, .sampler = {}},
                             [&](const hlo::Module& m) {
                               status = time_parts(engine, m, m.main().signature(),
                                                   static_cast<double>(o.generate), true, o, progress, run);
                             }));
    ADDER_CHECK(std::move(status));
    out.push_back(std::move(run));
  }
  if (o.prompt > 0) {
    RunProfile run{.run = "prefill", .unit = "prompt", .parts = {}};
    ADDER_TRY(run.whole_ms, median_of(o.repetitions, [&] { return time_prefill(engine, o); }));
    Status status;
    ADDER_CHECK(
        build_extend(model, {.batch = o.batch, .tokens = o.prompt, .outputs = ExtendSpec::Outputs::last},
                     [&](const hlo::Module& m) {
                       status = time_parts(engine, m, m.main().signature(), 1, false, o, progress, run);
                     }));
    ADDER_CHECK(std::move(status));
    out.push_back(std::move(run));
  }
  return out;
}

}  // namespace adder::engine
