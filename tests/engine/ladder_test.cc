#include "engine/ladder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace adder::engine {
namespace {

TEST(Ladder, PiecesCoverTheTokensAndOnlyTheLastIsMasked) {
  for (std::int64_t n = 0; n <= 5000; ++n) {
    const auto pieces = plan_pieces(n);
    const std::int64_t total = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
    ASSERT_GE(total, n);
    if (!pieces.empty()) {
      ASSERT_LT(total - pieces.back(), n) << n;
    }
    for (const std::int64_t piece : pieces)
      ASSERT_TRUE(std::find(std::begin(kLadder), std::end(kLadder), piece) != std::end(kLadder));
    // What is masked is at most half of what is real, or the rest of one smallest piece.
    ASSERT_TRUE(2 * total <= 3 * n || total - n < 16) << n;
  }
}

TEST(Ladder, KnownPlans) {
  using P = std::vector<std::int64_t>;
  EXPECT_EQ(plan_pieces(0), P{});
  EXPECT_EQ(plan_pieces(1), P{1});
  EXPECT_EQ(plan_pieces(2), P{16});
  EXPECT_EQ(plan_pieces(17), (P{16, 1}));
  EXPECT_EQ(plan_pieces(100), P{128});
  EXPECT_EQ(plan_pieces(512), P{512});
  EXPECT_EQ(plan_pieces(4096), (P{2048, 2048}));
}

}  // namespace
}  // namespace adder::engine
