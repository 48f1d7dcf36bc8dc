#include "engine/ladder.h"

#include <algorithm>
#include <iterator>

namespace adder::engine {

std::vector<std::int64_t> plan_pieces(std::int64_t tokens) {
  std::vector<std::int64_t> pieces;
  while (tokens > 0) {
    const auto above = std::upper_bound(std::begin(kLadder), std::end(kLadder), tokens);
    std::int64_t piece = *std::prev(above);  // the largest that fits; kLadder starts at 1
    const bool waste_is_small = above != std::end(kLadder) && (2 * *above <= 3 * tokens || piece == 1);
    if (piece != tokens && waste_is_small) piece = *above;
    pieces.push_back(piece);
    tokens -= std::min(piece, tokens);
  }
  return pieces;
}

}  // namespace adder::engine
