#pragma once

#include <cstdint>
#include <vector>

namespace adder::engine {

/// Token counts that extend programs are compiled for: any prompt is a sum of these, so a handful of programs
/// serves every length.
inline constexpr std::int64_t kLadder[] = {1, 16, 128, 512, 2048};

/// Pieces of kLadder that together hold `tokens` >= 0; only the last may be larger than what is left for it
/// (its tail is masked). Prefers little masked work: a larger piece is taken when at least two thirds of it
/// are real, or when the alternative is single tokens.
std::vector<std::int64_t> plan_pieces(std::int64_t tokens);

}  // namespace adder::engine
