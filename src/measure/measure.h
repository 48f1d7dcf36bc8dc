#pragma once

// What every speed figure is made with: trials that are repeated, each time just after the machine's limits
// were sampled. Tokenising is never timed; generation is greedy and ignores the end of text.

#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/session.h"
#include "measure/limits.h"

namespace adder::measure {

double median(std::vector<double> x);            ///< 0 of nothing
double deviation(const std::vector<double>& x);  ///< of a sample; 0 of fewer than two
double seconds_since(std::chrono::steady_clock::time_point start);

/// Medians of each field over samples.
Limits median_of(const std::vector<Limits>& samples);
/// The type whose rate the products of this model are held against: bfloat16 where their operands are, else
/// float32, also for products of int8 by int8.
DType product_type(const engine::ModelSpec& model);

/// One kind of run: what it does, and how to do and time it once.
struct Trial {
  double tokens = 0;            ///< a run, all rows together
  double flops = 0;             ///< products (projections, head, SSD) as the graphs count them
  double bytes = 0;             ///< weights once a program step, state read and written
  std::int64_t peak_bytes = 0;  ///< of the largest program; 0 where the plugin keeps no such statistics
  std::function<Result<double>()> seconds;
};

/// Medians over the repetitions. Shares are of the limits sampled just before each repetition, so that a
/// machine whose speed drifts still gives a fair ratio; that of products, of the rate in their own type.
struct Measurement {
  std::int64_t repetitions = 0;
  std::vector<double> rates;  ///< tokens a second of each repetition, in order
  double seconds = 0, seconds_sd = 0;
  double tokens_per_s = 0, tokens_per_s_sd = 0;
  double gemm_share = 0, bandwidth_share = 0;
};

/// How often to repeat: `repetitions` times, but no further once one trial has run for `seconds` in all; at
/// least once. A run that does not count comes first if `warm_up`.
struct Repeat {
  std::int64_t repetitions = 5;
  double seconds = std::numeric_limits<double>::infinity();
  bool warm_up = true;
  int rounds = 5;  ///< of the limits' probe
  /// Called after each run, the warming one too; its error ends the measurement. May be empty.
  std::function<Status()> on_run = {};
};

/// Measures trials on one device. Thread rule: one thread at a time.
class Meter {
 public:
  static Result<Meter> create(const engine::Engine& engine);
  Result<Measurement> measure(const Trial& trial, const Repeat& repeat);
  /// The trials in turn, round after round, so that drift meets all of them alike.
  Result<std::vector<Measurement>> measure_in_turn(std::span<const Trial> trials, const Repeat& repeat);
  /// All samples so far, and their medians.
  const std::vector<Limits>& samples() const { return samples_; }
  Limits machine() const { return median_of(samples_); }
  const LimitsProbe& probe() const { return probe_; }

 private:
  Meter(LimitsProbe probe, DType products) : probe_(std::move(probe)), products_(products) {}
  LimitsProbe probe_;
  DType products_;
  std::vector<Limits> samples_;
};

/// Token ids that are spread over the vocabulary and the same everywhere: [batch][tokens].
std::vector<std::vector<std::int32_t>> spread_ids(std::int64_t tokens, std::int64_t batch,
                                                  std::int64_t vocab);
/// The state after absorbing `depth` such tokens in each row.
Result<engine::State> state_at(const engine::Engine& engine, std::int64_t batch, std::int64_t depth);

/// Bytes a compiled program needs on the device: arguments, results that are not in donated arguments,
/// temporaries. nullopt where the plugin does not say.
std::optional<std::int64_t> program_bytes(const pjrt::Executable& program);

/// A trial's state to begin with; every run clones it. Null: zeros.
using StartState = std::shared_ptr<const engine::State>;

/// Absorbs `tokens` in every row and waits for the last position's logits.
Result<Trial> prompt_trial(const engine::Engine& engine, std::int64_t tokens, std::int64_t batch,
                           const StartState& start = nullptr);

struct GenerationRun {
  std::int64_t tokens = 128, batch = 1;
  std::int64_t block = 64;     ///< S; at most `tokens` are taken
  std::int64_t in_flight = 2;  ///< see engine::GenerationOptions
};
/// Generates from a one-token prompt, or from the start state's end.
Result<Trial> generation_trial(const engine::Engine& engine, const GenerationRun& run,
                               const StartState& start = nullptr);
/// One such run, untimed: what row 0 says. For comparing loops.
Result<std::vector<std::int32_t>> generated_ids(const engine::Engine& engine, const GenerationRun& run);
/// One such run: seconds from its beginning until the block that holds each of `marks`' tokens (ascending,
/// the last is run.tokens) had been read.
Result<std::vector<double>> time_marks(const engine::Engine& engine, const GenerationRun& run,
                                       const std::vector<std::int64_t>& marks);

}  // namespace adder::measure
