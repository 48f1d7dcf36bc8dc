#include "pjrt/compile_options.h"

#include <bit>
#include <string_view>
#include <type_traits>

namespace adder::pjrt {
namespace {

/// Just enough of the protocol buffer wire format: varints, doubles and length-delimited fields.
class Message {
 public:
  void integer(int field, std::int64_t value) {
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(int field, double value) {
    tag(field, 1);
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(bits >> shift & 0xff));
  }
  void text(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_.append(value);
  }
  /// A repeated integer, packed as proto3 does.
  void integers(int field, const std::vector<std::int64_t>& values) {
    Message packed;
    for (std::int64_t v : values) packed.varint(static_cast<std::uint64_t>(v));
    text(field, packed.bytes_);
  }
  void message(int field, const Message& value) { text(field, value.bytes_); }
  std::string take() { return std::move(bytes_); }

 private:
  void tag(int field, int wire_type) { varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>((value & 0x7f) | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  std::string bytes_;
};

// Field numbers: CompileOptionsProto, ExecutableBuildOptionsProto, DeviceAssignmentProto,
// OptionOverrideProto.
constexpr int kExecutableBuildOptions = 3, kEnvOptionOverrides = 7;
constexpr int kDeviceOrdinal = 1, kNumReplicas = 4, kNumPartitions = 5, kUseSpmd = 6, kDeviceAssignment = 9;
constexpr int kReplicaCount = 1, kComputationCount = 2, kComputationDevices = 3, kReplicaDeviceIds = 1;
constexpr int kMapKey = 1, kMapValue = 2;
constexpr int kStringField = 1, kBoolField = 2, kIntField = 3, kDoubleField = 4;

Message device_assignment(const CompileOptions& options) {
  Message out;
  out.integer(kReplicaCount, options.num_replicas);
  out.integer(kComputationCount, options.num_partitions);
  for (std::int64_t partition = 0; partition < options.num_partitions; ++partition) {
    std::vector<std::int64_t> ids;
    for (std::int64_t replica = 0; replica < options.num_replicas; ++replica)
      ids.push_back(
          options.device_ids[static_cast<std::size_t>(replica * options.num_partitions + partition)]);
    Message devices;
    devices.integers(kReplicaDeviceIds, ids);
    out.message(kComputationDevices, devices);
  }
  return out;
}

}  // namespace

CompileOptions CompileOptions::for_device(int device_id) {
  CompileOptions options;
  options.device_ids = {device_id};
  return options;
}

std::string CompileOptions::encode_key() const {
  CompileOptions deciding = *this;
  deciding.side_flags.clear();
  return deciding.encode();
}

std::string CompileOptions::encode() const {
  Message build;
  build.integer(kDeviceOrdinal, device_ordinal);
  build.integer(kNumReplicas, num_replicas);
  build.integer(kNumPartitions, num_partitions);
  if (use_spmd_partitioning) build.integer(kUseSpmd, 1);
  if (!device_ids.empty() && static_cast<std::int64_t>(device_ids.size()) == num_replicas * num_partitions)
    build.message(kDeviceAssignment, device_assignment(*this));

  Message options;
  options.message(kExecutableBuildOptions, build);
  Flags all = side_flags;
  for (const auto& [flag, setting] : flags) all[flag] = setting;
  for (const auto& [flag, setting] : all) {
    Message value;
    std::visit(
        [&value](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>)
            value.text(kStringField, v);
          else if constexpr (std::is_same_v<T, bool>)
            value.integer(kBoolField, v ? 1 : 0);
          else if constexpr (std::is_same_v<T, std::int64_t>)
            value.integer(kIntField, v);
          else
            value.real(kDoubleField, v);
        },
        setting);
    Message entry;
    entry.text(kMapKey, flag);
    entry.message(kMapValue, value);
    options.message(kEnvOptionOverrides, entry);
  }
  return options.take();
}

}  // namespace adder::pjrt
