#pragma once

// A part of a program (hlo/parts.h) timed on its own, as a sub-program on the real shapes and weights.

#include <string>
#include <vector>

#include "engine/engine.h"
#include "hlo/parts.h"

namespace adder::measure {

/// What one run of the part does. Bytes: what it reads and writes, whether or not that is in a cache.
hlo::Cost cost_of(const hlo::Part& part);

struct TimingOptions {
  /// Every place where the part runs, in turn, on its own weights, so that they come from memory as they do
  /// in the whole program. Else the first place alone: for long programs, whose weights are read once a run.
  bool all_sites = true;
  std::int64_t repetitions = 5;  ///< the median counts
};

/// Milliseconds of one run of the part. It is compiled as the body of a loop on the device, and the time is
/// the slope between a run of few trips and one of many, which takes out what a launch costs. Each run reads
/// one element that the run before it wrote, so that runs follow one another as they do in the program.
/// Activations and states are made up; weights are the engine's, which must be loaded. `argument_names` are
/// those of main. Wall time: a part that the device spreads over two threads takes half as long as its work.
Result<double> time_part(const engine::Engine& engine, const hlo::Part& part,
                         const std::vector<std::string>& argument_names, const TimingOptions& options);

}  // namespace adder::measure
