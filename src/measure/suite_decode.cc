// The suite's decoding: by position, by length, by block length and loop, by batch.

#include <fmt/format.h>

#include <algorithm>

#include "measure/process_memory.h"
#include "measure/suite_steps.h"

namespace adder::measure {

namespace {

std::optional<std::int64_t> nonzero(std::int64_t bytes) {
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

/// Takes `session` on to `position`, waiting now and then so that the host is not far ahead and can say how
/// it goes.
Status advance(const SuiteContext& c, engine::Session& session, std::int64_t position) {
  constexpr std::int64_t kStride = 8192;
  ADDER_TRY(const auto absorbed, session.state().positions());
  for (std::int64_t at = absorbed[0]; at < position;) {
    const std::int64_t n = std::min(kStride, position - at);
    ADDER_CHECK(session.extend(spread_ids(n, 1, c.engine.config().vocab_size)));
    ADDER_TRY(const pjrt::Event done, session.state().ready());
    ADDER_CHECK(done.wait());
    at += n;
    if (n == kStride && at < position) c.say(fmt::format("absorbed {} of {} tokens", at, position));
  }
  return {};
}

}  // namespace

Status run_positions(const SuiteContext& c) {
  const GenerationRun run{.tokens = c.plan().sample, .block = c.plan().sample};
  const std::vector<std::int64_t> positions = c.plan().of(Experiment::positions);
  ADDER_TRY(engine::State zero, c.engine.zero_state());
  engine::Session session(c.engine, std::move(zero));
  std::vector<Trial> trials;
  for (const std::int64_t position : positions) {
    ADDER_CHECK(advance(c, session, position));
    ADDER_TRY(engine::State here, session.state().clone(c.engine.device()));
    ADDER_TRY(Trial trial,
              generation_trial(c.engine, run, std::make_shared<const engine::State>(std::move(here))));
    trials.push_back(std::move(trial));
  }
  // The positions share one program, and take turns, so that a machine that drifts slows none of them alone.
  std::vector<std::optional<std::int64_t>> resident(trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i)
    trials[i].seconds = [seconds = trials[i].seconds, &slot = resident[i]]() {
      Result<double> out = seconds();
      slot = resident_bytes();
      return out;
    };
  ADDER_CHECK(trials.front().seconds());
  Repeat repeat = c.repeat(0);
  repeat.warm_up = false;
  ADDER_TRY(const auto measured, c.meter.measure_in_turn(trials, repeat));
  for (std::size_t i = 0; i < trials.size(); ++i) {
    c.say(fmt::format("position {}: {:.2f} ms a token, {:.0f}% of the bandwidth", positions[i],
                      1e3 / measured[i].tokens_per_s, 100 * measured[i].bandwidth_share));
    c.report.positions.push_back(
        {positions[i], measured[i], session.state().bytes(), nonzero(trials[i].peak_bytes), resident[i]});
  }
  return {};
}

Status run_generation(const SuiteContext& c, const SuiteRates& rates) {
  const std::vector<std::int64_t> lengths = c.plan().of(Experiment::generation);
  const GenerationRun run{.tokens = lengths.back(), .block = c.plan().sample};
  ADDER_TRY(Trial trial, generation_trial(c.engine, run));
  std::vector<std::vector<double>> seconds(lengths.size());
  trial.seconds = [&]() -> Result<double> {
    ADDER_TRY(const std::vector<double> marks, time_marks(c.engine, run, lengths));
    for (std::size_t i = 0; i < marks.size(); ++i) seconds[i].push_back(marks[i]);
    return marks.back();
  };
  Repeat repeat = c.repeat(static_cast<double>(run.tokens) * rates.step_s);
  repeat.warm_up = false;  // the loops have run this program
  const bool has_peak = reset_peak_resident();
  ADDER_TRY(const Measurement whole, c.meter.measure(trial, repeat));
  if (has_peak) c.report.process_cached = peak_resident_bytes();
  const double rate = whole.bandwidth_share / whole.tokens_per_s;  // share of one token a second
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const double s = median(seconds[i]);
    const double share = rate * static_cast<double>(lengths[i]) / s;
    c.say(fmt::format("generation {}: {:.2f} s, {:.1f} tok/s", lengths[i], s,
                      static_cast<double>(lengths[i]) / s));
    c.report.generation.push_back({lengths[i], whole.repetitions, s, deviation(seconds[i]), share});
  }
  return {};
}

Status run_loops(const SuiteContext& c) {
  std::vector<GenerationRun> runs;
  std::vector<Trial> trials;
  const std::vector<std::int64_t> blocks = c.plan().of(Experiment::loops);
  const auto add = [&](std::int64_t block, std::int64_t in_flight) -> Status {
    runs.push_back({.tokens = std::max(c.plan().sample, block), .block = block, .in_flight = in_flight});
    ADDER_TRY(Trial trial, generation_trial(c.engine, runs.back()));
    trials.push_back(std::move(trial));
    return {};
  };
  ADDER_CHECK(add(1, 1));
  for (const std::int64_t block : blocks) ADDER_CHECK(add(block, 2));
  std::vector<std::vector<std::int32_t>> ids;  // comparing the tokens warms the programs up
  for (const GenerationRun& run : runs) {
    ADDER_TRY(std::vector<std::int32_t> said, generated_ids(c.engine, run));
    ids.push_back(std::move(said));
  }
  Repeat repeat = c.repeat(0);
  repeat.warm_up = false;
  ADDER_TRY(const auto measured, c.meter.measure_in_turn(trials, repeat));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::size_t common = std::min(ids[0].size(), ids[i].size());
    const bool same =
        std::equal(ids[0].begin(), ids[0].begin() + static_cast<std::ptrdiff_t>(common), ids[i].begin());
    c.say(fmt::format("loop of {}{}: {:.1f} tok/s{}", runs[i].block,
                      runs[i].in_flight == 1 ? ", the host waiting for each" : "", measured[i].tokens_per_s,
                      same ? "" : ", OTHER TOKENS than the host loop"));
    c.report.loops.push_back({runs[i].block, runs[i].in_flight, measured[i], same});
  }
  return {};
}

Status run_batches(const SuiteContext& c) {
  for (const std::int64_t batch : c.plan().of(Experiment::batch)) {
    const std::int64_t tokens = std::max<std::int64_t>(c.plan().sample / 4, 8);
    ADDER_TRY(const Trial trial,
              generation_trial(c.engine, {.tokens = tokens, .batch = batch, .block = tokens}));
    ADDER_TRY(const Measurement measured, c.meter.measure(trial, c.repeat(0)));
    ADDER_TRY(const engine::State zero, c.engine.zero_state(batch));
    c.say(fmt::format("batch {}: {:.1f} tok/s", batch, measured.tokens_per_s));
    c.report.batches.push_back({batch, measured, zero.bytes(), nonzero(trial.peak_bytes)});
  }
  return {};
}

}  // namespace adder::measure
