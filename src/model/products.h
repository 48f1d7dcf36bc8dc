#pragma once

// Products of activations with weight matrices, and the equivalent ways to spell one. Which way is fastest
// differs by device, shape and plugin version: that choice is data (policy.h), measured by `engine`.
// Legend: R rows, I inputs, O outputs.

#include <optional>

#include "hlo/ops.h"
#include "model/policy.h"

namespace adder::model {

using hlo::Value;

/// A weight matrix, one row for each output.
template <class T>
struct Matrix {
  T weight;                ///< [O,I], f32, bf16 or s8
  std::optional<T> scale;  ///< [O] f32, with s8 only: W[o,i] = weight[o,i] · scale[o]
};

/// x [R,I] float32 by `w` [O,I] -> [R,O] float32. Bfloat16 weights round x to bfloat16 and accumulate in
/// float32. Int8 weights quantise each row of x to int8 (scale = max|row| / 127, round to nearest even),
/// accumulate in int32, which is exact, and multiply by both scales; without policy.int8_activations they are
/// what their integers are as bfloat16, exactly, and the sums are multiplied by their scale.
Value product(const Policy& policy, Value x, const Matrix<Value>& w);

/// The same for rows that a spelling has, spelled so: for measuring and for tests.
Value spelled_product(const Policy& policy, const Spelling& spelling, Value x, const Matrix<Value>& w);

}  // namespace adder::model
