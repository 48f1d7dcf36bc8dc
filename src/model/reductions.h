#pragma once

#include "hlo/ops.h"

namespace adder::model {

/// Sum over the last axis, kept as size 1, and the largest absolute value likewise. x [...,I] -> [...,1].
/// For few rows they are one reduction over an axis cut into factors below 32: XLA's CPU compiler splits a
/// longer reduction into a tree of small programs, and in decode each of those costs more than its work.
hlo::Value row_sum(hlo::Value x);
hlo::Value row_max_abs(hlo::Value x);

}  // namespace adder::model
