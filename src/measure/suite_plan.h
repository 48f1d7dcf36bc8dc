#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace adder::measure {

/// The experiments of the paper's suite that take time of their own; the others are derived from these.
enum class Experiment {
  prefill,     ///< at: prompt length
  positions,   ///< at: position of the state that decode starts from
  generation,  ///< at: tokens generated
  loops,       ///< at: block length S; 1 also stands for the host loop
  batch,       ///< at: batch size
  memory,      ///< at: length of a prefill compiled as one program (compiled, not run)
};
std::string_view name(Experiment experiment);

struct SuiteOptions {
  std::vector<std::int64_t> lengths{128, 512, 1024, 2048, 4096};  ///< of prompts and of generated texts
  std::int64_t max_position = 100'000;                            ///< of decode latency by position
  std::vector<std::int64_t> blocks{1, 4, 16, 64, 128};
  std::vector<std::int64_t> batches{1, 2, 4, 8, 16};
  std::int64_t repetitions = 3;  ///< of each point, after one run that does not count
  double patience_s = 10;        ///< a point is not repeated further once it has run for this long
  double budget_s = 360;         ///< for one model, weights already loaded; 0: no limit
  int rounds = 3;                ///< of the limits' probe before each repetition

  /// Few and short points and no budget, to see that all of it works.
  static SuiteOptions quick();
};

/// What a model costs on this machine, roughly: what the plan is made from.
struct SuiteRates {
  double step_s = 0;               ///< one decode step of one row
  double prefill_s_per_token = 0;  ///< of a long prompt
  double compile_s = 0;            ///< one program
  double sample_s = 0;             ///< one sample of the limits
};

struct SuitePoint {
  Experiment experiment = Experiment::prefill;
  std::int64_t at = 0;
  double estimated_s = 0;
  bool operator==(const SuitePoint&) const = default;
};

struct SuitePlan {
  /// Tokens of one decode run and, but for the loops, its block length: as many of 64, 32, 16, 8 as last at
  /// most 2.5 s.
  std::int64_t sample = 64;
  std::vector<SuitePoint> points;   ///< by experiment, then ascending
  std::vector<SuitePoint> dropped;  ///< to stay within the budget, the most expensive first

  std::vector<std::int64_t> of(Experiment experiment) const;  ///< `at` of its points, ascending
  double estimated_s() const;
};

/// All points of the options, less the most expensive ones until the estimate is within the budget. The
/// smallest point of each experiment always stays.
SuitePlan plan_suite(const SuiteOptions& options, const SuiteRates& rates);

/// Whether a point of this estimate is run once before it counts: very long ones pay for their first touch of
/// memory many times over.
bool warms_up(const SuiteOptions& options, double estimated_s);

}  // namespace adder::measure
