#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/tensor_source.h"

namespace adder::checkpoint {

/// Expands elements [first, first + out.size()) of a view that is not Encoding::dense, block by block, into
/// float32. Precondition: the range lies inside the tensor, whose bytes are whole blocks.
void decode_range(const TensorView& view, std::int64_t first, std::span<float> out);

/// What the elements are stored as, for people: "F32", "BF16", "Q4_K".
std::string stored_type(const TensorView& view);

}  // namespace adder::checkpoint
