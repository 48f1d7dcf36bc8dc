#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace adder::test {

/// How far an array is from the one it should be.
struct Comparison {
  std::size_t count = 0, worst = 0;  ///< elements; where the largest difference lies
  double max = 0, rmse = 0;          ///< of absolute differences
  double p50 = 0, p99 = 0, p999 = 0;
  double scale = 0;        ///< the largest |expected|
  bool comparable = true;  ///< false: different lengths, or an actual value that is not finite

  /// Whether every difference is at most absolute + relative * scale.
  bool within(double absolute, double relative) const {
    return comparable && max <= absolute + relative * scale;
  }
};

Comparison compare(std::span<const float> actual, std::span<const float> expected);
/// One line with every field, for a failing assertion.
std::string to_string(const Comparison& c);

}  // namespace adder::test
