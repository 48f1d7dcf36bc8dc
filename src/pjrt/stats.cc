#include "pjrt/stats.h"

namespace adder::pjrt {

StatsSnapshot operator-(const StatsSnapshot& later, const StatsSnapshot& earlier) {
  return {.host_to_device = later.host_to_device - earlier.host_to_device,
          .host_to_device_bytes = later.host_to_device_bytes - earlier.host_to_device_bytes,
          .device_to_host = later.device_to_host - earlier.device_to_host,
          .device_to_host_bytes = later.device_to_host_bytes - earlier.device_to_host_bytes,
          .device_to_device = later.device_to_device - earlier.device_to_device,
          .executions = later.executions - earlier.executions,
          .compilations = later.compilations - earlier.compilations,
          .cache_hits = later.cache_hits - earlier.cache_hits};
}

void Stats::count_upload(std::int64_t bytes) {
  add(host_to_device_, 1);
  add(host_to_device_bytes_, bytes);
}

void Stats::count_download(std::int64_t bytes) {
  add(device_to_host_, 1);
  add(device_to_host_bytes_, bytes);
}

StatsSnapshot Stats::snapshot() const {
  return {.host_to_device = host_to_device_.load(),
          .host_to_device_bytes = host_to_device_bytes_.load(),
          .device_to_host = device_to_host_.load(),
          .device_to_host_bytes = device_to_host_bytes_.load(),
          .device_to_device = device_to_device_.load(),
          .executions = executions_.load(),
          .compilations = compilations_.load(),
          .cache_hits = cache_hits_.load()};
}

}  // namespace adder::pjrt
