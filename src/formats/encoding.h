#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "adder/error.h"
#include "formats/tensor_source.h"

namespace adder::formats {

/// Expands elements [first, first + out.size()) of a view that is not Encoding::dense, block by block, into
/// float32. Precondition: the range lies inside the tensor, whose bytes are whole blocks.
void decode_range(const TensorView& view, std::int64_t first, std::span<float> out);

/// A = -exp(A_log) [H] of a view that reads as A_log, defined once for every format: the stored A where the
/// file holds that, else exp in float64, rounded once. A file whose writer rounded correctly thus gives the
/// same bits as the A_log it was made from, which reading A_log back and taking a device's exp of it does not
/// (see GgufFile). Errors: as read_as_f32.
Status read_decay(const TensorView& view, std::span<float> out);

/// What the elements are stored as, for people: "F32", "BF16", "I8", "Q4_K".
std::string stored_type(const TensorView& view);

/// Bytes the tensor takes in its file, scales included.
std::int64_t stored_size(const TensorView& view);

}  // namespace adder::formats
