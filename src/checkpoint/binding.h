#pragma once

#include <string>
#include <vector>

#include "arch/config.h"
#include "checkpoint/checkpoint.h"
#include "formats/store.h"

namespace adder::checkpoint {

/// The tensors of a config, each with the stored one that it is, and everything that does not fit.
struct Binding {
  std::vector<Checkpoint::Entry> entries;  ///< of the fields that are used, in their order
  std::vector<std::string> conflicts, notes;
};

/// Looks every field up under its names, pairs int8 weights with their scales, and compares shapes and types.
/// Of a GGUF file, whose shapes lack axes of size 1 or split a vector in groups, views get the field's shape,
/// and those of Read::decay read as A_log (Encoding::negative_exp). Errors: a decay that is not F32
/// (unsupported) or not a finite number of 0 or less (corrupt).
Result<Binding> bind_tensors(const arch::Config& config, const formats::TensorStore& store);

/// The shapes that `store` holds. It must outlive the answer.
arch::Stored stored_shapes(const formats::TensorStore& store);

}  // namespace adder::checkpoint
