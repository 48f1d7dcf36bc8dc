#pragma once

#include <optional>

#include "base/dtype.h"

namespace adder::pjrt {

/// The PJRT_Buffer_Type of a dtype, as a number so that the C header stays inside the room.
int to_buffer_type(DType dtype);
/// The inverse; nullopt for types that Adder has no name for (complex, 8- and 4-bit floats, tokens, ...).
std::optional<DType> from_buffer_type(int type);

}  // namespace adder::pjrt
