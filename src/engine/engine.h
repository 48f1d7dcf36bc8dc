#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/checkpoint.h"
#include "engine/programs.h"
#include "engine/state.h"
#include "engine/weights.h"

namespace adder::engine {

struct EngineOptions {
  std::filesystem::path model;  ///< checkpoint directory or file
  std::string plugin = "cpu";   ///< name or path, see pjrt::search_plugins
  int device = 0;               ///< index among the client's devices
  DType weight_dtype = DType::f32;
  hlo::Precision precision = hlo::Precision::HIGHEST;
  std::filesystem::path dump_hlo;
  std::filesystem::path cache_dir;                       ///< executable cache; empty: none
  std::uint64_t cache_limit = pjrt::kDefaultCacheLimit;  ///< bytes of executables kept there; 0: any number
  bool tune = false;            ///< measure spellings (tuning.h), remembered in cache_dir; needs one
  bool verbose_plugin = false;  ///< let the plugin log to stderr
  LogSink* log = &null_log();
  Progress* progress = &null_progress();
};

/// One model on one device: client, compiled programs, weights. Sessions run on it.
/// Thread rule: after load() everything const may be called from any thread. It must outlive its sessions.
class Engine {
 public:
  /// Opens the checkpoint and the plugin; loads no weights yet, so that programs can compile meanwhile.
  static Result<Engine> open(const EngineOptions& options);
  /// Uploads the weights. Call once, before the first session; may overlap with programs().
  Status load();

  /// Whether the weights are still what was loaded: those that the device uses where they lie in their files
  /// change when somebody writes over these. To be asked before results are handed out. Error: corrupt.
  Status check_unchanged() const;

  const pjrt::Client& client() const { return client_; }
  const pjrt::Device& device() const { return device_; }
  const checkpoint::Checkpoint& checkpoint() const { return checkpoint_; }
  const model::Mamba2Config& config() const { return programs_->model().config; }
  Programs& programs() const { return *programs_; }
  const Weights& weights() const { return weights_; }
  std::int64_t weight_bytes() const;

  Result<State> zero_state(std::int64_t batch = 1) const {
    return State::zero(client_, config(), batch, device_);
  }

 private:
  Engine(checkpoint::Checkpoint checkpoint, pjrt::Client client, pjrt::Device device,
         std::unique_ptr<Programs> programs, Progress* progress);

  checkpoint::Checkpoint checkpoint_;
  pjrt::Client client_;
  pjrt::Device device_;
  std::unique_ptr<Programs> programs_;
  Weights weights_;
  Progress* progress_;
};

/// Where compiled programs are kept: $ADDER_CACHE, else $XDG_CACHE_HOME/adder, else ~/.cache/adder; with
/// /executables appended. Empty if none can be told.
std::filesystem::path default_cache_dir();

}  // namespace adder::engine
