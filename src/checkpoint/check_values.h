#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "checkpoint/checkpoint.h"

namespace adder::checkpoint {

/// A tensor that no sensible result can come from.
struct BadTensor {
  std::string name;        ///< canonical
  std::int64_t count = 0;  ///< of its values that are bad
  std::string first;       ///< the first of them: "row 3, column 17 is nan"
};

/// Reads every value of every tensor as the model will, in float32: what is not finite there, and A_log whose
/// exponential is not. In the order of Checkpoint::entries(). Errors: those of read_range_as.
Result<std::vector<BadTensor>> find_bad_values(const Checkpoint& checkpoint, Progress& progress);

}  // namespace adder::checkpoint
