#pragma once

// Numbers as the bytes of one tensor element (little-endian), and back. For this room only.

#include <string>
#include <string_view>

#include "base/dtype.h"

namespace adder::hlo {

/// Rounds to nearest even in float dtypes. Integer dtypes and i1 need a value that they hold exactly;
/// otherwise throws ShapeError.
std::string encode(DType dtype, double value);
/// u64 takes the two's complement bits of a negative value; other dtypes throw ShapeError when it is out of
/// range.
std::string encode_int(DType dtype, std::int64_t value);
/// The identity of minimum and maximum: infinities for floats.
std::string encode_lowest(DType dtype);
std::string encode_highest(DType dtype);
/// The exact value of a float element.
double decode_float(DType dtype, std::string_view bytes);
/// The element's bits in the low end, zeros above.
std::uint64_t decode_bits(std::string_view bytes);

}  // namespace adder::hlo
