#pragma once

#include <atomic>
#include <cstdint>

namespace adder::pjrt {

/// What a client has done since it was created. A plain value; subtract two to see what lay between.
struct StatsSnapshot {
  std::int64_t host_to_device = 0;        ///< transfers started
  std::int64_t host_to_device_bytes = 0;  ///< bytes of the dense host arrays
  std::int64_t device_to_host = 0;
  std::int64_t device_to_host_bytes = 0;
  std::int64_t device_to_device = 0;
  std::int64_t executions = 0;    ///< programs enqueued, whether or not they have finished
  std::int64_t compilations = 0;  ///< programs compiled; loads from serialised bytes do not count
  std::int64_t cache_hits = 0;    ///< compilations that the disk cache saved

  bool operator==(const StatsSnapshot&) const = default;
};
StatsSnapshot operator-(const StatsSnapshot& later, const StatsSnapshot& earlier);

/// One client's counters. Thread rule: every member may be called from any thread at any time; a snapshot
/// taken while other threads work may see one of their calls' count without its bytes.
class Stats {
 public:
  void count_upload(std::int64_t bytes);
  void count_download(std::int64_t bytes);
  void count_device_copy() { add(device_to_device_, 1); }
  void count_execution() { add(executions_, 1); }
  void count_compilation() { add(compilations_, 1); }
  void count_cache_hit() { add(cache_hits_, 1); }

  StatsSnapshot snapshot() const;

 private:
  using Counter = std::atomic<std::int64_t>;
  static void add(Counter& counter, std::int64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }

  Counter host_to_device_{0}, host_to_device_bytes_{0};
  Counter device_to_host_{0}, device_to_host_bytes_{0};
  Counter device_to_device_{0}, executions_{0}, compilations_{0}, cache_hits_{0};
};

}  // namespace adder::pjrt
