#pragma once

// Recorded events added up by the part of the model that they belong to.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "profile/compiled.h"
#include "profile/trace.h"
#include "profile/xspace.h"

namespace adder::profile {

/// Kernels of one part, or of one name.
struct Busy {
  double ms = 0;  ///< thread or stream time: two at once count twice
  std::int64_t launches = 0;
};

struct Attribution {
  std::map<std::string, Busy> parts;  ///< by part, as part_of gives it
  std::map<std::string, Busy> names;  ///< by kernel name
  double busy_ms = 0;                 ///< wall time during which at least one kernel ran
  double span_ms = 0;                 ///< from the first kernel's start to the last one's end
};

/// The part for an op_name such as "jit(main)/layer/mixer/in_proj/dot": the longest of `scopes` (as in
/// hlo/scope.h) that occurs in it as whole path components; empty if none does.
std::string scope_in(const std::string& op_name, const std::vector<std::string>& scopes);

/// Kernels are the events of a device's streams, and on any other line those that name an HLO instruction.
/// What they come from is the event's own op_name, else that of the kernel of this name in `compiled`. An
/// event inside another of its line (a loop's body) takes its time from it: each moment of a line counts
/// once.
Attribution attribute(const XSpace& space, const std::vector<Kernel>& compiled,
                      const std::function<std::string(const std::string& op_name)>& part_of);

/// Every event as a span: a process for each plane, a thread for each line; times from the first event on.
Trace to_trace(const XSpace& space, const std::function<std::string(const std::string& op_name)>& part_of);

}  // namespace adder::profile
