#pragma once

// Where the time of decode and prefill goes, part by part.

#include <functional>
#include <string>
#include <vector>

#include "engine/part_timing.h"
#include "engine/session.h"

namespace adder::engine {

struct ProfileOptions {
  std::int64_t prompt = 512;   ///< tokens of the prefill; 0: none
  std::int64_t generate = 64;  ///< tokens of the decode; 0: none
  std::int64_t batch = 1;
  std::int64_t repetitions = 5;
};

/// One kind of run. Times are of one unit: a decode step, or the whole prefill.
struct RunProfile {
  std::string run;                ///< "decode" or "prefill"
  std::string unit;               ///< "step" or "prompt"
  double whole_ms = 0;            ///< the program as it is, by the host's clock, median
  std::vector<PartTiming> parts;  ///< in the order in which they first run
  double parts_ms() const;
};

Result<std::vector<RunProfile>> profile(const Engine& engine, const ProfileOptions& options,
                                        const std::function<void(const std::string&)>& progress = {});

}  // namespace adder::engine
