#pragma once

#include <span>

#include "base/dtype.h"
#include "checkpoint/checkpoint.h"

namespace adder::checkpoint {

/// The type in which the matrices (projections, embedding, head) are best kept: the one they are stored in,
/// and of several the widest, so that nothing is lost that need not be.
/// - float32: f32. bfloat16 and float16: bf16 (float16's three more bits are given up, its range is not).
/// - int8 with a scale a row: s8, exactly as stored.
/// - GGUF's blocks: s8 where a step of int8 by rows is, in the geometric mean over a sample of rows, no
/// larger
///   than a step of the file's own blocks, else bf16. Four- and six-bit blocks mostly come out as s8, Q8_0 as
///   bf16.
DType stored_dtype(const Checkpoint& checkpoint);

/// The same of some matrices.
DType stored_dtype(std::span<const formats::TensorView> matrices);

}  // namespace adder::checkpoint
