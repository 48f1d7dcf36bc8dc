#pragma once

#include <memory>
#include <string>

#include "adder/error.h"
#include "pjrt/plugin.h"

namespace adder::pjrt {

/// Whether the plugin has a profiler: PJRT_Extension_Type_Profiler in its extension chain, with a table that
/// reaches collect_data. (CUDA, ROCm and TPU plugins do; the CPU plugins that Adder pins do not.)
bool has_profiler(const Plugin& plugin);

/// Records what the plugin's devices do between start() and stop(). Move-only; destroying it frees the
/// plugin's session, stopping it first if it runs. A plugin records one session at a time.
/// Thread rule: one thread at a time; what is recorded may run on any.
class Profiler {
 public:
  /// Starts recording. Error unsupported without the extension, or whatever the plugin says.
  static Result<Profiler> start(const Plugin& plugin);
  ~Profiler();
  Profiler(Profiler&& other) noexcept;
  Profiler& operator=(Profiler&& other) noexcept;

  /// Stops, and returns a serialised tensorflow.profiler.XSpace, as the plugin gave it
  /// (profile/xspace.h reads it). Once only.
  Result<std::string> stop();

 private:
  struct Session;
  explicit Profiler(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace adder::pjrt
