#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "pjrt/compile_options.h"
#include "pjrt/executable.h"
#include "pjrt/named_value.h"
#include "pjrt/plugin.h"

struct PJRT_TopologyDescription;

namespace adder::pjrt {

class UnloadedExecutable;

/// A machine that programs can be compiled for although it is not there. A cheap handle; copies share it.
/// Thread rule: everything may be called from any thread at any time.
class Topology {
 public:
  /// `name` and `options` are the platform's own: "v6e:2x2" for TPU; for CUDA any name, and the options
  /// `topology` ("1x1x1") and `target_config` (a GpuTargetConfigProto as text). Errors: unsupported where the
  /// plugin compiles for no device but its own; what the plugin says of a name or option it does not know.
  static Result<Topology> create(const Plugin& plugin, std::string_view name,
                                 std::span<const NamedValue> options = {});

  const Plugin& plugin() const;
  const std::string& platform_name() const;  ///< "cuda", "tpu"
  /// Kinds of the devices, in the plugin's order: what Device::kind() says on such a machine.
  const std::vector<std::string>& device_kinds() const;

  /// Compiles StableHLO text for the first of the devices. The error carries the compiler's message.
  Result<UnloadedExecutable> compile(std::string_view program, const CompileOptions& options = {}) const;

 private:
  struct State;
  friend class UnloadedExecutable;
  explicit Topology(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// A program compiled for a device that is not there. Immutable and move-only.
/// Thread rule: const members may be called from any thread at the same time.
class UnloadedExecutable {
 public:
  ~UnloadedExecutable();
  UnloadedExecutable(UnloadedExecutable&& other) noexcept;
  UnloadedExecutable& operator=(UnloadedExecutable&& other) noexcept;

  // Errors: unsupported where the plugin does not tell.
  Result<CompiledMemoryStats> memory_stats() const;
  /// The compiler's own count of one run, in its own terms ("flops", "bytes accessed", ...).
  Result<std::vector<NamedValue>> cost_analysis() const;
  Result<OptimizedProgram> optimized_program() const;
  /// Bytes for Client::load on a machine that has the device, with the same plugin.
  Result<std::string> serialize() const;

 private:
  friend class Topology;
  UnloadedExecutable(std::shared_ptr<const Topology::State> topology, PJRT_Executable* raw);
  void reset();

  std::shared_ptr<const Topology::State> topology_;
  PJRT_Executable* raw_ = nullptr;
};

}  // namespace adder::pjrt
