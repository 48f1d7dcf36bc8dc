#include "measure/suite.h"

#include <fmt/format.h>

#include <algorithm>

#include "measure/suite_steps.h"

namespace adder::measure {

namespace {

/// The decode latency at `tokens`, or at the last position before it, or at the first.
double step_at(const std::vector<PositionPoint>& positions, std::int64_t tokens) {
  double step = 0;
  for (const PositionPoint& p : positions)
    if (step == 0 || p.position <= tokens) step = 1 / p.measured.tokens_per_s;
  return step;
}

/// The sum over n = 1..tokens of the cost of a prompt of n, linear between the measured ones, which are
/// ascending and reach from 1 to `tokens` at least.
double sum_of_steps(const std::vector<PrefillPoint>& measured, std::int64_t tokens) {
  double sum = measured.front().measured.seconds;
  for (std::size_t i = 1; i < measured.size() && measured[i].tokens <= tokens; ++i) {
    const PrefillPoint &a = measured[i - 1], &b = measured[i];
    const double width = static_cast<double>(b.tokens - a.tokens);
    const double from = a.measured.seconds, to = b.measured.seconds;
    sum += width * from + (to - from) * (width + 1) / 2;  // n = a+1 .. b
  }
  return sum;
}

}  // namespace

std::vector<RecomputePoint> compare_recompute(const std::vector<PrefillPoint>& prefill,
                                              const std::vector<PositionPoint>& positions,
                                              const std::vector<GenerationPoint>& generation) {
  std::vector<RecomputePoint> out;
  if (prefill.empty() || prefill.front().tokens != 1 || positions.empty()) return out;
  for (const PrefillPoint& p : prefill) {
    if (p.tokens == 1) continue;
    RecomputePoint row;
    row.tokens = p.tokens;
    row.step_s = p.measured.seconds;
    row.cached_step_s = step_at(positions, p.tokens);
    row.total_s = sum_of_steps(prefill, p.tokens);
    row.cached_total_s = static_cast<double>(p.tokens) * row.cached_step_s;
    const auto whole = std::find_if(generation.begin(), generation.end(),
                                    [&](const GenerationPoint& g) { return g.tokens == p.tokens; });
    if (whole != generation.end()) {
      row.cached_total_s = whole->seconds;
      row.cached_total_measured = true;
    }
    out.push_back(row);
  }
  return out;
}

Result<SuiteReport> run_suite(const engine::Engine& engine, const SuiteOptions& options,
                              const SuiteNote& note) {
  const auto start = std::chrono::steady_clock::now();
  ADDER_TRY(Meter meter, Meter::create(engine));
  ADDER_TRY(const SuiteRates rates, measure_rates(engine, options, meter));
  SuiteReport report;
  report.plan = plan_suite(options, rates);
  report.weight_bytes = engine.weight_bytes();
  ADDER_TRY(const engine::State zero, engine.zero_state());
  report.state_bytes = zero.bytes();

  const SuiteContext context{engine, options, meter, note, report};
  context.say(
      fmt::format("{} points in about {:.0f} s", report.plan.points.size(), report.plan.estimated_s()));
  for (const SuitePoint& p : report.plan.dropped)
    context.say(fmt::format("left out for the budget of {:.0f} s: {} at {}, estimated {:.0f} s",
                            options.budget_s, name(p.experiment), p.at, p.estimated_s));
  ADDER_CHECK(run_loops(context));
  ADDER_CHECK(run_batches(context));
  ADDER_CHECK(run_generation(context, rates));
  ADDER_CHECK(run_prefill(context, rates));
  ADDER_CHECK(run_positions(context));
  report.recompute = compare_recompute(report.prefill, report.positions, report.generation);
  report.machine = meter.machine();
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace adder::measure
