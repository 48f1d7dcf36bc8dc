#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "adder/error.h"
#include "formats/tensor_source.h"

/// Weights as 8-bit integers, symmetric, one float32 scale for each row, which is an output channel:
/// W[o,i] = values[o,i] * scales[o]. In a file they are two tensors, as compressed-tensors writes them
/// (format "int-quantized", github.com/neuralmagic/compressed-tensors): X.weight, I8 [O,I], and
/// X.weight_scale [O,1] or [O], of a float type. Checkpoint pairs the two into one view of
/// Encoding::int8_rows, which read_as() expands like any other encoding, so readers that want floats need not
/// know.
namespace adder::formats {

/// Reads a matrix [O,I] of any readable type as int8. A view that is stored so (Encoding::int8_rows) gives
/// its values and scales exactly as stored. Any other is quantised: scale = max|W[o,:]| / 127, value =
/// round-to-nearest-even(W / scale), both in float32, so |value| <= 127 and |W - value * scale| <= scale *
/// (1/2 + 2^-17), the last term being the rounding of the quotient. A row of zeros gets scale 1, and no scale
/// is below the smallest normal float32, which a device may take for zero. Works in pieces: extra memory is
/// some hundred KiB, or one row. Deterministic: the same bytes on every machine.
/// Errors: invalid_argument (not a matrix, or values and scales not of O*I and O elements), corrupt (a weight
/// is NaN or infinite, naming tensor, row and column), those of read_range_as.
Status read_int8(const TensorView& view, std::span<std::int8_t> values, std::span<float> scales);

/// read_int8() of rows [first, first + scales.size()): values.size() == scales.size() * I.
Status read_int8_rows(const TensorView& view, std::int64_t first, std::span<std::int8_t> values,
                      std::span<float> scales);

/// Only the scales of those rows.
Status read_int8_scales(const TensorView& view, std::int64_t first, std::span<float> scales);

/// Makes of `weight`, dense int8 [O,I], and its `scale` a view of Encoding::int8_rows whose dtype is f32.
/// What is wrong with the pair, or nullopt: a scale that is missing (nullptr), of another shape than [O,1] or
/// [O], of a type that is no float, or with an element that is negative, NaN or infinite.
std::optional<std::string> attach_scales(TensorView& weight, const TensorView* scale);
/// What the scale of a stored weight is called.
std::string scale_name(const TensorView& weight);

/// The decoder of Encoding::int8_rows: see decode_range().
void decode_int8_rows(const TensorView& view, std::size_t first, std::span<float> out);

}  // namespace adder::formats
