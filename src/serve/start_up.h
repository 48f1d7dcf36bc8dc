#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine.h"

namespace adder::serve {

/// Programs that a piece of work will run: named ahead of time, so that they compile while weights load.
struct ProgramPlan {
  std::vector<engine::ExtendSpec> extend;
  std::optional<engine::DecodeSpec> decode;

  /// Adds what absorbing `tokens` in one call needs, once each.
  void add_extend(std::int64_t tokens, engine::ExtendSpec::Outputs outputs, std::int64_t batch = 1);
};

struct StartUpTimes {
  double tune_ms = 0;     ///< autotuning, before the other two
  double load_ms = 0;     ///< uploading the weights
  double compile_ms = 0;  ///< from the start until the last program was there; overlaps with load_ms
};

/// Loads the weights and gets the plan's programs ready, and those that make a state for them, all at the
/// same time. Call once per engine, before the first session. Waits for everything it started, also when
/// something fails.
Result<StartUpTimes> start_up(engine::Engine& engine, const ProgramPlan& plan);

}  // namespace adder::serve
