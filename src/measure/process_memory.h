#pragma once

#include <cstdint>
#include <optional>

namespace adder::measure {

// What the operating system says of this process's memory, in bytes, from /proc/self (Linux, proc(5));
// nullopt where it does not say. Any thread; all threads share one count.

std::optional<std::int64_t> resident_bytes();       ///< VmRSS: now
std::optional<std::int64_t> peak_resident_bytes();  ///< VmHWM: the most since the last reset
/// Makes the peak start again from what is resident now. False where that is not allowed; the peak then is
/// that of the process's whole life.
bool reset_peak_resident();

}  // namespace adder::measure
