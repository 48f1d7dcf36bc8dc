#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/names.h"
#include "checkpoint/tensor_source.h"

namespace adder::checkpoint {

/// The tensor stored under a canonical name or one of its aliases; nullptr if there is none.
const TensorView* find_any(const TensorSource& source, const std::string& canonical);

/// Fills the fields that config.json left to defaults (ModelConfig::defaulted) with what the tensors say: the
/// presence of biases, gated norm and head, K from the conv weight, H from A_log, P = E/H, and N or G from
/// the conv channels. Fields that the file states are never changed, so that contradictions stay visible.
void fill_defaults(ModelConfig& config, const TensorSource& source);

/// Sizes as the tensors alone tell them, for the hint beside a list of conflicts: "the tensors look like 3
/// layers,
/// ..."; empty if too little is there.
std::string describe_tensors(const TensorSource& source);

}  // namespace adder::checkpoint
