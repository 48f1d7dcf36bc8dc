#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"

namespace adder::formats {

/// "F32" -> f32, "I8" -> s8, "BOOL" -> i1, ...; nullopt for other text.
std::optional<DType> parse_safetensors_dtype(std::string_view name);
/// Inverse of parse_safetensors_dtype; every DType has a name.
std::string_view safetensors_name(DType dtype);
/// True for element types that the format has and Adder does not (8-bit and smaller floats, complex).
bool is_other_safetensors_dtype(std::string_view name);
/// "BOOL, I8, ..." for messages.
std::string safetensors_dtype_list();

}  // namespace adder::formats
