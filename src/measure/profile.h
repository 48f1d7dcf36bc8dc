#pragma once

// Where the time of decode and prefill goes, part by part. A part is a scope of the model's code
// (hlo/scope.h).
//
// Two ways to measure, and what a part's milliseconds mean in each:
// - profiler: the plugin records every kernel of the real program while it runs. A part has the time of its
//   kernels on streams or threads: two at once count twice. What the clock shows beyond the time in which any
//   kernel ran lies between kernels: launches and hand-offs.
// - parts: for plugins that record nothing (the CPU ones), each part is cut out of the real graph and timed
//   as a sub-program, by the clock: a part spread over two threads counts once. Large kernels are split over
//   the device's thread pool and small ones run on one thread, and both show as they are. A cut costs what
//   the compiler would have fused across it, and a part on its own finds its inputs where it left them, so
//   the parts add up to the whole only roughly; how far they miss it is in the result.

#include <functional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "hlo/parts.h"
#include "profile/compiled.h"
#include "profile/trace.h"

namespace adder::measure {

struct ProfileOptions {
  std::int64_t prompt = 512;   ///< tokens of the prefill, one piece of the ladder at most; 0: none
  std::int64_t generate = 64;  ///< steps of the decode, in one block, greedy; 0: none
  std::int64_t batch = 1;
  std::int64_t repetitions = 5;  ///< the median counts
  bool use_profiler = true;      ///< where the plugin has one
  /// How many names of a scope's path make a part: 1 has "mixer" in one piece, fused as it likes.
  int depth = hlo::kAnyDepth;
};

/// One part, all its runs in one unit (a decode step, or the prompt) together.
struct PartProfile {
  std::string part;  ///< its scope, or "other"
  double ms = 0;
  double runs = 0;      ///< how often it runs: 24 for a part of the layer in a model of 24
  hlo::Cost cost;       ///< bytes: what the part reads and writes, whether or not that is in a cache
  double kernels = -1;  ///< launches, as the compiler planned them; -1: it does not say
};

/// Kernels of one kind: same part, operation, result and contents.
struct KernelProfile {
  std::string part;
  profile::Kernel kernel;  ///< the first of them
  double launches = 0;     ///< in one unit
  double ms = -1;          ///< in one unit, together; -1: not recorded
};

struct RunProfile {
  std::string run, unit;  ///< "decode" by the "step", or "prefill" by the "prompt"
  bool recorded = false;  ///< by the plugin's profiler; else parts timed on their own
  double wall_ms = 0;     ///< one unit of the program as it is, by the host's clock, median
  /// recorded: during which any kernel ran; else the sum of the parts.
  double busy_ms = 0;
  std::vector<PartProfile> parts;      ///< in the order in which they first run
  std::vector<KernelProfile> kernels;  ///< in the order of the program; most time first where recorded
  std::string kernels_unknown;         ///< why `kernels` is empty; empty where it is not

  double parts_ms() const;
};

struct ProfileReport {
  std::vector<RunProfile> runs;
  profile::Trace trace;
};

/// The engine must be loaded. `on_part` (may be empty) hears of each part as it is measured. Errors:
/// invalid_argument for a prompt that takes more than one piece.
Result<ProfileReport> run_profile(const engine::Engine& engine, const ProfileOptions& options,
                                  const std::function<void(const std::string&)>& on_part = {});

}  // namespace adder::measure
