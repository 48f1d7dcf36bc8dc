#pragma once

#include "ssm/recurrence.h"

namespace adder::ssm {

/// Sizes of a recurrence, read off its shapes (legend in recurrence.h).
struct Sizes {
  std::int64_t b, t, h, p, g, n, r;
  bool per_channel;  ///< decay [..,H,N], written out or as log_decay times rate; else [..,H]
};

/// Checks every shape of `r` and `state` against each other; throws hlo::BuildError naming the odd one.
Sizes sizes_of(const Recurrence& r, const Value& state, hlo::Loc loc = hlo::Loc::current());

}  // namespace adder::ssm
