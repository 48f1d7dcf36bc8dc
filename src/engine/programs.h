#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "base/log.h"
#include "engine/graphs.h"
#include "pjrt/client.h"
#include "pjrt/executable_cache.h"

namespace adder::engine {

/// A compiled program with the contract it was built from. Immutable.
struct Program {
  std::string name;
  hlo::Signature signature;
  hlo::Cost cost;
  pjrt::Executable executable;
  bool from_cache = false;
  double compile_ms = 0;  ///< building the graph, and compiling it or reloading it from the cache
};
using ProgramRef = std::shared_ptr<const Program>;

struct ProgramsOptions {
  std::filesystem::path dump_hlo;  ///< folder for NAME.mlir of every program; empty: none
  std::optional<pjrt::ExecutableCache> cache;
  pjrt::CompileOptions compile;
  LogSink* log = &null_log();
};

/// The programs of one model on one client: each is built and compiled once, on first demand.
/// Thread rule: every member may be called from any thread; two threads that want the same program share one
/// compilation, and different programs compile at the same time.
class Programs {
 public:
  Programs(pjrt::Client client, ModelSpec model, ProgramsOptions options);

  Result<ProgramRef> extend(const ExtendSpec& spec);
  Result<ProgramRef> decode(const DecodeSpec& spec);
  Result<ProgramRef> state(const StateSpec& spec);

  /// Programs compiled or loaded so far.
  std::vector<ProgramRef> ready() const;
  const ModelSpec& model() const { return model_; }
  /// What they are compiled with; for others that are to be compared with them.
  const pjrt::CompileOptions& compile_options() const { return options_.compile; }

 private:
  Result<ProgramRef> get(const std::string& name, const std::function<Result<Graph>()>& build);
  Result<ProgramRef> compile(const std::string& name, const std::function<Result<Graph>()>& build);

  pjrt::Client client_;
  ModelSpec model_;
  ProgramsOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_future<Result<ProgramRef>>> programs_;  // guarded by mutex_
};

}  // namespace adder::engine
