#pragma once

#include "model/policy.h"

namespace adder::model {

/// Sum of squares over the last axis, kept as size 1, and the largest absolute value likewise, `least` at
/// least; NaN where x holds one, though XLA's CPU compiler drops NaN from maxima of floats: it is taken over
/// bit patterns. x float32 [...,I] -> [...,1]. With policy.nested_sums, and for few rows, they are spelled as
/// nested short reductions, which XLA's CPU compiler makes one program of; a long reduction it splits into a
/// tree of small programs, and in decode each of those costs more than its work.
hlo::Value row_sum_of_squares(const Policy& policy, hlo::Value x);
hlo::Value row_max_abs(const Policy& policy, hlo::Value x, float least);

/// Stays one value for all its readers: a compiler may not repeat its arithmetic in each.
hlo::Value once(hlo::Value x);
/// once() with policy.barriers.
hlo::Value once(const Policy& policy, hlo::Value x);

}  // namespace adder::model
