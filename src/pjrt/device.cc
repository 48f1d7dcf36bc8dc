#include "pjrt/device.h"

#include "pjrt/client_state.h"

namespace adder::pjrt {
namespace {

std::optional<std::int64_t> if_set(std::int64_t value, bool is_set) {
  return is_set ? std::optional(value) : std::nullopt;
}

}  // namespace

int Device::id() const { return client_->devices[index_].id; }
int Device::local_hardware_id() const { return client_->devices[index_].local_hardware_id; }
const std::string& Device::kind() const { return client_->devices[index_].kind; }
const std::string& Device::description() const { return client_->devices[index_].description; }
const std::vector<NamedValue>& Device::attributes() const { return client_->devices[index_].attributes; }
PJRT_Device* Device::raw() const { return client_->devices[index_].raw; }

Result<DeviceMemoryStats> Device::memory_stats() const {
  ADDER_TRY(const auto args,
            call(client_->api, ADDER_PJRT(PJRT_Device_MemoryStats), [&](auto& a) { a.device = raw(); }));
  return DeviceMemoryStats{.bytes_in_use = args.bytes_in_use,
                           .peak_bytes_in_use = if_set(args.peak_bytes_in_use, args.peak_bytes_in_use_is_set),
                           .bytes_limit = if_set(args.bytes_limit, args.bytes_limit_is_set),
                           .largest_free_block_bytes =
                               if_set(args.largest_free_block_bytes, args.largest_free_block_bytes_is_set)};
}

}  // namespace adder::pjrt
