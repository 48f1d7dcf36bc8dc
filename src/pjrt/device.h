#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adder/error.h"
#include "pjrt/named_value.h"

struct PJRT_Device;

namespace adder::pjrt {

struct ClientState;

/// Bytes, as the device's allocator counts them; only bytes_in_use is always there.
struct DeviceMemoryStats {
  std::int64_t bytes_in_use = 0;
  std::optional<std::int64_t> peak_bytes_in_use;
  std::optional<std::int64_t> bytes_limit;
  std::optional<std::int64_t> largest_free_block_bytes;
};

/// One device that a client can send work to. A cheap handle that keeps the client alive.
/// Thread rule: everything may be called from any thread.
class Device {
 public:
  Device(std::shared_ptr<ClientState> client, std::size_t index)
      : client_(std::move(client)), index_(index) {}

  int id() const;                          ///< unique among the platform's devices, on all hosts
  int local_hardware_id() const;           ///< such as the CUDA device number; -1 if the plugin has none
  const std::string& kind() const;         ///< "cpu", "NVIDIA H100 80GB HBM3"
  const std::string& description() const;  ///< the plugin's one-line name of the device
  const std::vector<NamedValue>& attributes() const;
  /// Error unsupported where the platform keeps no such count (CPU plugins do not).
  Result<DeviceMemoryStats> memory_stats() const;

  PJRT_Device* raw() const;
  const std::shared_ptr<ClientState>& client() const { return client_; }

 private:
  std::shared_ptr<ClientState> client_;
  std::size_t index_;
};

}  // namespace adder::pjrt
