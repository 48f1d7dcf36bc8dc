#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measure/measure.h"

namespace adder::measure {

/// What to measure, with llama-bench's habits: prompts of fixed length, fixed numbers of generated tokens,
/// greedy, end-of-text ignored, tokenising not timed.
struct BenchmarkOptions {
  std::vector<std::int64_t> prompts{512};    ///< tokens a row; row "ppN"
  std::vector<std::int64_t> generates{128};  ///< tokens a row; row "tgN"
  std::vector<std::int64_t> batches{1};
  std::vector<std::int64_t> depths{0};  ///< tokens absorbed before the test begins; "ppN @ dD"
  std::int64_t repetitions = 5;         ///< after one run that does not count
  std::int64_t block = 64;              ///< decode steps in one device call
  /// Asked after each run; true ends the benchmark with ErrorCode::cancelled.
  std::function<bool()> cancelled = [] { return false; };
};

/// One test. Shares are of limits measured just before each repetition, median over the repetitions, so that
/// a machine whose speed drifts still gives a fair ratio.
struct BenchmarkRow {
  std::string test;                      ///< "pp512", "tg128", "tg128 @ d512"
  std::int64_t n_prompt = 0, n_gen = 0;  ///< tokens a row; one of them is 0
  std::int64_t batch = 1;
  std::int64_t depth = 0;
  double tokens_per_s = 0;      ///< median, all rows of the batch together
  double tokens_per_s_sd = 0;   ///< standard deviation over the repetitions
  std::vector<double> samples;  ///< of each repetition, in order
  /// Products the program does (projections, head, SSD) over time, relative to the GEMM rate of their type.
  double gemm_share = 0;
  /// Weights once a step (once a piece of the prompt) and state read and written, over time, relative to the
  /// read bandwidth.
  double bandwidth_share = 0;
  std::int64_t state_bytes = 0;  ///< of the whole batch
  std::int64_t peak_bytes = 0;   ///< device memory of the largest program: arguments, results, temporaries
};
struct BenchmarkReport {
  std::vector<Limits> machine;  ///< every sample
  std::vector<BenchmarkRow> rows;
};

/// Runs every combination; `on_row` (may be empty) is called as each row is done. The engine must be loaded;
/// its steps() are told what goes on.
Result<BenchmarkReport> run_benchmark(const engine::Engine& engine, const BenchmarkOptions& options,
                                      const std::function<void(const BenchmarkRow&)>& on_row = {});

}  // namespace adder::measure
