#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::cli {

struct NumberLimits {
  std::int64_t least = 0, most = 0;
};

/// Numbers as llama-bench takes them: "128"; "1-4", each from 1 to 4; "0-1024+256", every 256th;
/// "128-1024*2", doubled each time. All must lie within `limits`, and there are 1,000 at most. Error
/// invalid_argument names the word.
Result<std::vector<std::int64_t>> parse_range(std::string_view word, NumberLimits limits);

}  // namespace adder::cli
