#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/steps.h"
#include "checkpoint/checkpoint.h"
#include "engine/programs.h"
#include "engine/state.h"
#include "engine/weights.h"

namespace adder::engine {

struct EngineOptions {
  std::filesystem::path model;                     ///< checkpoint directory or file
  std::string plugin = "cpu";                      ///< name or path, see pjrt::search_plugins
  int device = 0;                                  ///< index among the client's devices
  std::optional<DType> weight_dtype = DType::f32;  ///< nullopt: as stored, see checkpoint::stored_dtype
  hlo::Precision precision = hlo::Precision::HIGHEST;
  std::optional<bool>
      preallocate;  ///< GPUs: take the memory at the start (the plugin's default) or as needed
  std::optional<float>
      memory_fraction;  ///< GPUs: of the device's memory, (0,1]; the plugin's default is 0.75
  std::string policy;   ///< changes to how graphs are written, for comparing: see changed_policy (platform.h)
  std::filesystem::path dump_hlo;
  std::filesystem::path cache_dir;                       ///< executable cache; empty: none
  std::uint64_t cache_limit = pjrt::kDefaultCacheLimit;  ///< bytes of executables kept there; 0: any number
  /// How many sequences will decode together, for autotuning: each number is measured, up to kMostTunedRows.
  std::vector<std::int64_t> tune_rows{1};
  bool tune = false;    ///< autotune (tuning.h), remembered in cache_dir; needs one
  bool retune = false;  ///< measure again what is remembered, and for a model of any size
  /// Asked while autotuning, from any thread; true ends open() with ErrorCode::cancelled.
  std::function<bool()> cancelled = [] { return false; };
  bool verbose_plugin = false;  ///< let the plugin log to stderr
  LogSink* log = &null_log();
  Progress* progress = &null_progress();  ///< of bytes
  Steps* steps = &null_steps();           ///< of all else that takes its time
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
  const ModelSpec& model() const { return programs_->model(); }
  const arch::Config& config() const { return *model().config; }
  Programs& programs() const { return *programs_; }
  const Weights& weights() const { return weights_; }
  std::int64_t weight_bytes() const;
  Steps& steps() const { return *steps_; }     ///< where to say what takes its time
  double tune_ms() const { return tune_ms_; }  ///< that open() spent autotuning

  StatePrograms states() const { return StatePrograms(*programs_, client_, device_); }
  Result<State> zero_state(std::int64_t batch = 1) const { return states().zero(batch); }

 private:
  Engine(checkpoint::Checkpoint checkpoint, pjrt::Client client, pjrt::Device device,
         std::unique_ptr<Programs> programs, const EngineOptions& options, double tune_ms);

  checkpoint::Checkpoint checkpoint_;
  pjrt::Client client_;
  pjrt::Device device_;
  std::unique_ptr<Programs> programs_;
  Weights weights_;
  Progress* progress_;
  Steps* steps_;
  double tune_ms_;
};

/// What programs for a model are built from where nothing was measured: the platform's choices (platform.h).
/// Error: that of model::make_spec.
Result<ModelSpec> model_spec(arch::ConfigRef config, std::string_view platform, DType weight_dtype,
                             hlo::Precision precision);

/// Beneath the cache's folder, what it keeps compiled programs in.
inline constexpr const char* kExecutablesFolder = "executables";
/// Where compiled programs are kept: $ADDER_CACHE, else $XDG_CACHE_HOME/adder, else ~/.cache/adder; with
/// /executables appended. Empty if none can be told.
std::filesystem::path default_cache_dir();

}  // namespace adder::engine
