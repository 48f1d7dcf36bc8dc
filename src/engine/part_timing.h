#pragma once

// Parts of a program (hlo/parts.h) timed on their own, as sub-programs on the real shapes.

#include <functional>
#include <vector>

#include "engine/engine.h"
#include "hlo/parts.h"

namespace adder::engine {

struct PartTiming {
  std::string scope;
  double ms = 0;              ///< all its runs in one run of the whole program, median
  std::int64_t runs = 0;      ///< how often it runs there
  hlo::Cost cost;             ///< of one run of the whole program; bytes: what the part reads and writes
  std::int64_t kernels = -1;  ///< what the compiler made of it, launches in one run; -1: it does not say
  std::vector<std::string> notes;
};

/// Compiles the part as a loop of its own and times it: every site in turn on its own weights (so that they
/// come from memory as they do in the whole program) if `all_sites`, else the first site alone, many times.
/// The time is the slope between few and many trips, which takes out what a launch costs. Each run reads one
/// element that the run before wrote, so that runs follow one another.
Result<PartTiming> time_part(const Engine& engine, const hlo::Part& part,
                             const std::vector<std::string>& argument_names, bool all_sites,
                             std::int64_t repetitions);

}  // namespace adder::engine
