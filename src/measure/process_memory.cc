#include "measure/process_memory.h"

#include <fstream>
#include <string>

namespace adder::measure {

namespace {

std::optional<std::int64_t> status_field(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes * 1024;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> resident_bytes() { return status_field("VmRSS"); }
std::optional<std::int64_t> peak_resident_bytes() { return status_field("VmHWM"); }

bool reset_peak_resident() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;  // 5: the peak alone
  return clear.good();
}

}  // namespace adder::measure
