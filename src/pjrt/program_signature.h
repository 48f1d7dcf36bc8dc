#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/shape.h"

namespace adder::pjrt {

/// The arguments that a program's main function declares.
struct ProgramSignature {
  std::vector<Shape> arguments;
  std::vector<bool> donated;  ///< per argument: carries tf.aliasing_output or jax.buffer_donor
};

/// Reads the signature of `@main` from StableHLO text. The C API cannot say how many arguments an executable
/// takes, and not every plugin checks, so Executable::execute checks against this. nullopt where the text is
/// not of the plain form (bytecode, dynamic dimensions, element types unknown to Adder); then nothing is
/// checked.
std::optional<ProgramSignature> parse_signature(std::string_view program);

}  // namespace adder::pjrt
