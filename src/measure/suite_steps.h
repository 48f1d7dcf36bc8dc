#pragma once

// The parts of run_suite, for suite.cc alone.

#include "measure/suite.h"

namespace adder::measure {

struct SuiteContext {
  const engine::Engine& engine;
  const SuiteOptions& options;
  Meter& meter;
  const SuiteNote& note;
  SuiteReport& report;  ///< report.plan is there; each part fills in its own

  const SuitePlan& plan() const { return report.plan; }
  void say(std::string_view line) const {
    if (note) note(line);
  }
  /// How a point that runs for about `run_s` is repeated.
  Repeat repeat(double run_s) const {
    return {.repetitions = options.repetitions,
            .seconds = options.patience_s,
            .warm_up = warms_up(options, run_s),
            .rounds = options.rounds};
  }
};

/// The rates the plan is made from, by running a prompt and single tokens. Their programs are needed anyway.
Result<SuiteRates> measure_rates(const engine::Engine& engine, const SuiteOptions& options,
                                 const Meter& meter);

Status run_prefill(const SuiteContext& c, const SuiteRates& rates);  ///< prefill, memory by length
Status run_positions(const SuiteContext& c);
Status run_generation(const SuiteContext& c, const SuiteRates& rates);
Status run_loops(const SuiteContext& c);
Status run_batches(const SuiteContext& c);

}  // namespace adder::measure
