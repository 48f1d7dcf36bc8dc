#pragma once

#include "hlo/ops.h"

namespace adder::model {

/// Sum of squares over the last axis, kept as size 1, and the largest absolute value likewise, `least` at
/// least; NaN where x holds one, though XLA's CPU compiler drops NaN from maxima of floats: it is taken over
/// bit patterns. x float32 [...,I] -> [...,1]. For few rows they are spelled as nested short reductions,
/// which XLA's CPU compiler makes one program of; a long reduction it splits into a tree of small programs,
/// and in decode each of those costs more than its work.
hlo::Value row_sum_of_squares(hlo::Value x);
hlo::Value row_max_abs(hlo::Value x, float least);

/// A value that several others read: computed once, where a compiler would repeat its arithmetic in each
/// reader.
hlo::Value once(hlo::Value x);

}  // namespace adder::model
