#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::cli {

/// Whole numbers separated by commas, blanks or newlines, in any mixture; empty text is no numbers. Numbers
/// too large for 64 bits become the largest there are. Error invalid_argument names `origin` (a flag or a
/// file) and the first thing that is not a number.
Result<std::vector<std::int64_t>> parse_numbers(std::string_view text, std::string_view origin);

/// Token ids as the engine takes them. Errors: invalid_argument for none at all, or for one outside of
/// [0, vocab_size).
Result<std::vector<std::int32_t>> check_token_ids(std::span<const std::int64_t> numbers,
                                                  std::int64_t vocab_size);

}  // namespace adder::cli
