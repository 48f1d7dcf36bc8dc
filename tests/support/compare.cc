#include "support/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace adder::test {

Comparison compare(std::span<const float> actual, std::span<const float> expected) {
  Comparison out;
  out.count = expected.size();
  out.comparable = actual.size() == expected.size();
  if (!out.comparable || expected.empty()) return out;
  std::vector<double> differences;
  double squares = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    out.comparable = out.comparable && std::isfinite(difference);
    if (difference > out.max) out.worst = i;
    out.max = std::max(out.max, difference);
    out.scale = std::max(out.scale, std::fabs(static_cast<double>(expected[i])));
    squares += difference * difference;
    differences.push_back(difference);
  }
  out.rmse = std::sqrt(squares / static_cast<double>(expected.size()));
  if (!out.comparable) return out;  // NaN has no place in an order
  std::sort(differences.begin(), differences.end());
  const auto percentile = [&](double share) {
    return differences[static_cast<std::size_t>(share * static_cast<double>(differences.size() - 1))];
  };
  out.p50 = percentile(0.5);
  out.p99 = percentile(0.99);
  out.p999 = percentile(0.999);
  return out;
}

std::string to_string(const Comparison& c) {
  return fmt::format(
      "{}max {:.3g} at {}, rmse {:.3g}, p50 {:.3g}, p99 {:.3g}, p99.9 {:.3g}, of {} values up to {:.3g}",
      c.comparable ? "" : "NOT COMPARABLE: ", c.max, c.worst, c.rmse, c.p50, c.p99, c.p999, c.count, c.scale);
}

}  // namespace adder::test
