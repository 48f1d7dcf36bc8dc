#pragma once

// The paper's experiments (arXiv 2603.09555) on one model.
// What each number means is said here; docs/SUITE.md says how it is written as JSON.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/measure.h"
#include "measure/suite_plan.h"

namespace adder::measure {

/// A prompt of `tokens` run through prefill, with the last position's logits: also the cost of one step of
/// full recomputation at that length.
struct PrefillPoint {
  std::int64_t tokens = 0;
  Measurement measured;
};
/// Decode (device loop, SuitePlan::sample steps) from a state that really absorbed `position` tokens.
struct PositionPoint {
  std::int64_t position = 0;
  Measurement measured;
  std::int64_t state_bytes = 0;
  std::optional<std::int64_t> program_bytes, process_bytes;  ///< the process's is VmRSS just after
};
/// One generation of the longest length, from a one-token prompt; seconds until `tokens` had reached the
/// host.
struct GenerationPoint {
  std::int64_t tokens = 0, repetitions = 0;
  double seconds = 0, seconds_sd = 0;
  double bandwidth_share = 0;
};
/// Decode with S steps in one device call, of SuitePlan::sample tokens or one block. in_flight 1: the host
/// waits for each block before it enqueues the next; with S = 1 that is the host loop. in_flight 2: a block
/// computes while one is read.
struct LoopPoint {
  std::int64_t block = 1, in_flight = 1;
  Measurement measured;
  bool same_tokens = false;  ///< as the host loop, as far as both go
};
struct BatchPoint {
  std::int64_t batch = 1;
  Measurement measured;
  std::int64_t state_bytes = 0;
  std::optional<std::int64_t> program_bytes;
};
/// What generating `tokens` needs at most, in bytes. From the compiler: arguments + results - aliased +
/// temporaries of the largest program; from the system: the process's peak (VmHWM, reset before) while it was
/// measured, which includes the probe's 0.6 GB and all that the process keeps for other programs.
struct MemoryPoint {
  std::int64_t tokens = 0;
  std::optional<std::int64_t> cached;       ///< decode
  std::optional<std::int64_t> recomputed;   ///< prefill in the ladder's pieces, state carried between them
  std::optional<std::int64_t> one_program;  ///< prefill compiled as one program of `tokens`; never run
  std::optional<std::int64_t> process_recomputed;
};
/// Cached decode against full recomputation of the whole prefix for every token. Recomputation's total is the
/// sum over n = 1..tokens of the cost of a step at n, linear between measured lengths (in which no piece is
/// padded: favourable to recomputation). The cached total is measured, or tokens times the step if not.
struct RecomputePoint {
  std::int64_t tokens = 0;
  double step_s = 0, cached_step_s = 0, total_s = 0, cached_total_s = 0;
  bool cached_total_measured = false;
  double step_speedup() const { return step_s / cached_step_s; }
  double total_speedup() const { return total_s / cached_total_s; }
};

struct SuiteReport {
  Limits machine;  ///< medians over all samples
  std::int64_t weight_bytes = 0, state_bytes = 0;
  double seconds = 0;  ///< the whole run
  SuitePlan plan;
  std::optional<std::int64_t> process_cached;  ///< the process's peak during the generation
  std::vector<PrefillPoint> prefill;
  std::vector<PositionPoint> positions;
  std::vector<GenerationPoint> generation;
  std::vector<RecomputePoint> recompute;
  std::vector<LoopPoint> loops;
  std::vector<BatchPoint> batches;
  std::vector<MemoryPoint> memory;
};

/// Called with a line for people as each point begins or is done.
using SuiteNote = std::function<void(std::string_view)>;

/// Runs all of it; the engine must be loaded. Errors end the run.
Result<SuiteReport> run_suite(const engine::Engine& engine, const SuiteOptions& options,
                              const SuiteNote& note = {});

/// The rows of RecomputePoint that the measured points allow; a length needs its prefill and its position, or
/// a neighbouring one (decode costs the same everywhere).
std::vector<RecomputePoint> compare_recompute(const std::vector<PrefillPoint>& prefill,
                                              const std::vector<PositionPoint>& positions,
                                              const std::vector<GenerationPoint>& generation);

}  // namespace adder::measure
