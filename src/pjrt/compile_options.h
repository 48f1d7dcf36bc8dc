#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace adder::pjrt {

/// What the compiler is told beside the program: the part of XLA's CompileOptionsProto that Adder uses
/// (xla/pjrt/proto/compile_options.proto). The default is one program on the client's first device.
struct CompileOptions {
  std::int64_t num_replicas = 1;
  std::int64_t num_partitions = 1;
  /// Device to compile for; -1 leaves it to the plugin.
  std::int64_t device_ordinal = -1;
  bool use_spmd_partitioning = false;
  /// Device::id() of each (replica, partition), replica-major: num_replicas * num_partitions of them. Empty
  /// leaves the assignment to the plugin; set it to run on a device other than the first.
  std::vector<std::int64_t> device_ids;
  /// XLA flags for this program alone, such as {"xla_cpu_enable_fast_math", false}.
  using Flags = std::map<std::string, std::variant<std::string, bool, std::int64_t, double>>;
  Flags flags;
  /// Told to the compiler as well, but no part of the executable cache's key: where it keeps caches of its
  /// own, and what it needs to compile for a device that is not there.
  Flags side_flags;

  /// For one device, by its Device::id().
  static CompileOptions for_device(int device_id);
  /// Protocol buffer bytes; equal options give equal bytes. device_ids of another length than
  /// num_replicas * num_partitions are left out (Client::compile refuses them).
  std::string encode() const;
  /// The same without side_flags: what decides on the compiled program.
  std::string encode_key() const;
};

}  // namespace adder::pjrt
