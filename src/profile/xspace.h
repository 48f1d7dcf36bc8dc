#pragma once

// What a plugin's profiler recorded: a serialised tensorflow.profiler.XSpace
// (tsl/profiler/protobuf/xplane.proto).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::profile {

/// One thing that happened on a line. Times are picoseconds, from the earliest line's start on (picoseconds
/// since 1970 would not fit), and at most a few weeks: numbers beyond are cut.
struct XEvent {
  std::string name;  ///< of the event's metadata: a kernel's name
  std::int64_t start_ps = 0;
  std::int64_t duration_ps = 0;
  std::string hlo_op;   ///< stat "hlo_op": the instruction; empty where not recorded
  std::string op_name;  ///< stat "tf_op" or "name": the scopes; empty where not recorded
};

/// One thread, stream or derived row, in time order as recorded.
struct XLine {
  std::int64_t id = 0;
  std::string name;
  std::int64_t timestamp_ns = 0;  ///< its start, by the plugin's clock
  std::vector<XEvent> events;
};

/// One device, or the host.
struct XPlane {
  std::string name;  ///< "/device:GPU:0", "/host:CPU"
  std::vector<XLine> lines;
};

struct XSpace {
  std::vector<XPlane> planes;
};

/// Error corrupt for malformed bytes; fields it does not know are passed over.
Result<XSpace> read_xspace(std::string_view bytes);

}  // namespace adder::profile
