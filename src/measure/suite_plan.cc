#include "measure/suite_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tuple>

namespace adder::measure {

namespace {

void sort_unique(std::vector<std::int64_t>& x) {
  std::sort(x.begin(), x.end());
  x.erase(std::unique(x.begin(), x.end()), x.end());
}

std::vector<std::int64_t> positions(const SuiteOptions& options) {
  std::vector<std::int64_t> out = options.lengths;
  for (std::int64_t p = 100; p < options.max_position; p *= 10)
    if (std::none_of(out.begin(), out.end(), [&](std::int64_t q) { return std::abs(q - p) < p / 20; }))
      out.push_back(p);
  out.push_back(options.max_position);
  std::erase_if(out, [&](std::int64_t p) { return p > options.max_position; });
  return out;
}

std::vector<SuitePoint> all_points(const SuiteOptions& options) {
  std::vector<SuitePoint> out;
  const auto add = [&](Experiment experiment, std::vector<std::int64_t> ats) {
    sort_unique(ats);
    for (const std::int64_t at : ats) out.push_back({experiment, at, 0});
  };
  std::vector<std::int64_t> prompts = options.lengths;
  prompts.push_back(1);  // where the cost of full recomputation starts
  add(Experiment::prefill, prompts);
  add(Experiment::positions, positions(options));
  add(Experiment::generation, options.lengths);
  std::vector<std::int64_t> blocks = options.blocks;
  blocks.push_back(1);
  add(Experiment::loops, blocks);
  add(Experiment::batch, options.batches);
  add(Experiment::memory, options.lengths);
  return out;
}

/// Seconds of a point whose one run takes `run_s`.
double repeated(const SuiteOptions& o, const SuiteRates& rates, double run_s) {
  const double most = run_s > 0 ? std::max(1.0, std::ceil(o.patience_s / run_s)) : 1e9;
  const double counted = std::min(static_cast<double>(std::max<std::int64_t>(o.repetitions, 1)), most);
  return run_s * (counted + (warms_up(o, run_s) ? 1 : 0)) + counted * rates.sample_s;
}

/// `before` is the next smaller point of the same experiment, or 0.
double estimate(const SuiteOptions& o, const SuiteRates& r, std::int64_t sample, const SuitePoint& p,
                std::int64_t before) {
  const auto at = static_cast<double>(p.at), more = static_cast<double>(p.at - before);
  const double steps = static_cast<double>(sample) * r.step_s;
  switch (p.experiment) {
    case Experiment::prefill:
      return r.compile_s + repeated(o, r, std::max(at * r.prefill_s_per_token, r.step_s));
    case Experiment::positions:  // one state walks through all of them
      return more * r.prefill_s_per_token + repeated(o, r, steps);
    case Experiment::generation: {  // one run passes all of them
      const double runs = std::max(
          1.0, std::min(static_cast<double>(o.repetitions), std::ceil(o.patience_s / (at * r.step_s))));
      return more * r.step_s * runs + (before == 0 ? r.sample_s * runs : 0);
    }
    case Experiment::loops: {
      const double run = static_cast<double>(std::max(sample, p.at)) * r.step_s;
      return (r.compile_s + repeated(o, r, run)) * (p.at == 1 ? 2 : 1);
    }
    case Experiment::batch:  // weights are read once for all rows; a third more for each row is usual
      return r.compile_s + repeated(o, r, steps * (1 + (at - 1) / 3));
    case Experiment::memory:
      return r.compile_s * (1 + at / 4096);
  }
  return 0;
}

void estimate_all(const SuiteOptions& options, const SuiteRates& rates, SuitePlan& plan) {
  const SuitePoint* before = nullptr;
  for (SuitePoint& point : plan.points) {
    const bool same = before && before->experiment == point.experiment;
    point.estimated_s = estimate(options, rates, plan.sample, point, same ? before->at : 0);
    before = &point;
  }
}

/// The most expensive point that may go; points.end() if none may.
std::vector<SuitePoint>::iterator most_expensive(std::vector<SuitePoint>& points) {
  auto worst = points.end();
  for (auto p = points.begin(); p != points.end(); ++p) {
    const bool first = p == points.begin() || std::prev(p)->experiment != p->experiment;
    if (!first && (worst == points.end() || p->estimated_s > worst->estimated_s)) worst = p;
  }
  return worst;
}

/// Cheaper points may have gone before a dearer one brought the sum down: what still fits comes back, the
/// cheapest first.
void take_back(const SuiteOptions& options, const SuiteRates& rates, SuitePlan& plan) {
  const auto order = [](const SuitePoint& a, const SuitePoint& b) {
    return std::tie(a.experiment, a.at) < std::tie(b.experiment, b.at);
  };
  for (std::size_t i = plan.dropped.size(); i-- > 0;) {
    SuitePlan fuller = plan;
    fuller.points.insert(std::upper_bound(fuller.points.begin(), fuller.points.end(), plan.dropped[i], order),
                         plan.dropped[i]);
    fuller.dropped.erase(fuller.dropped.begin() + static_cast<std::ptrdiff_t>(i));
    estimate_all(options, rates, fuller);
    if (fuller.estimated_s() <= options.budget_s) plan = std::move(fuller);
  }
}

}  // namespace

std::string_view name(Experiment experiment) {
  switch (experiment) {
    case Experiment::prefill:
      return "prefill";
    case Experiment::positions:
      return "positions";
    case Experiment::generation:
      return "generation";
    case Experiment::loops:
      return "loops";
    case Experiment::batch:
      return "batch";
    case Experiment::memory:
      return "memory";
  }
  return "";
}

SuiteOptions SuiteOptions::quick() {
  return {.lengths = {16, 128},
          .max_position = 1000,
          .blocks = {1, 4, 16},
          .batches = {1, 2},
          .repetitions = 1,
          .patience_s = 1,
          .budget_s = 0,
          .rounds = 1};
}

std::vector<std::int64_t> SuitePlan::of(Experiment experiment) const {
  std::vector<std::int64_t> out;
  for (const SuitePoint& p : points)
    if (p.experiment == experiment) out.push_back(p.at);
  return out;
}

double SuitePlan::estimated_s() const {
  double sum = 0;
  for (const SuitePoint& p : points) sum += p.estimated_s;
  return sum;
}

bool warms_up(const SuiteOptions& options, double estimated_s) { return estimated_s <= options.patience_s; }

SuitePlan plan_suite(const SuiteOptions& options, const SuiteRates& rates) {
  SuitePlan plan;
  plan.points = all_points(options);
  while (plan.sample > 8 && static_cast<double>(plan.sample) * rates.step_s > 2.5) plan.sample /= 2;
  estimate_all(options, rates, plan);
  while (options.budget_s > 0 && plan.estimated_s() > options.budget_s) {
    const auto worst = most_expensive(plan.points);
    if (worst == plan.points.end()) break;
    plan.dropped.push_back(*worst);
    plan.points.erase(worst);
    estimate_all(options, rates, plan);
  }
  take_back(options, rates, plan);
  return plan;
}

}  // namespace adder::measure
