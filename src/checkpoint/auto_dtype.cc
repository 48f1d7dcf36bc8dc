#include "checkpoint/auto_dtype.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "formats/encoding.h"
#include "formats/int8_rows.h"

namespace adder::checkpoint {

using formats::Encoding;
using formats::TensorView;

namespace {

constexpr std::int64_t kSampledRows = 16;

/// How far apart neighbouring values of one group lie, and how many share that distance.
struct Blocks {
  std::int64_t elements = 0;
  float levels = 0;          ///< steps from zero to the largest magnitude
  bool has_minimum = false;  ///< steps count from the smallest value to the largest instead
};

std::optional<Blocks> blocks_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::q4_0:
      return Blocks{32, 8, false};
    case Encoding::q8_0:
      return Blocks{32, 127, false};
    case Encoding::q4_k:
      return Blocks{32, 15, true};
    case Encoding::q6_k:
      return Blocks{16, 32, false};
    default:
      return std::nullopt;
  }
}

float step(std::span<const float> values, float levels, bool has_minimum) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return (has_minimum ? *high - *low : std::max(std::abs(*low), std::abs(*high))) / levels;
}

/// Logarithms of the steps of rows as int8, and as the file has them, both summed over elements. In a mean of
/// squares an outlier, whose own block is as coarse as its row, would hide what it does to the rest of the
/// row.
struct Steps {
  double rows = 0, blocks = 0;
};

void add_steps(const TensorView& view, const Blocks& blocks, Steps& sum) {
  const std::int64_t rows = view.shape.dims[0], width = view.shape.dims[1];
  const std::int64_t stride = std::max<std::int64_t>(1, rows / kSampledRows);
  std::vector<float> row(static_cast<std::size_t>(width));
  for (std::int64_t r = 0; r < rows; r += stride) {
    formats::decode_range(view, r * width, row);
    const double row_step = step(row, 127, false);
    for (std::int64_t at = 0; at < width; at += blocks.elements) {
      const auto n = static_cast<std::size_t>(std::min(blocks.elements, width - at));
      const std::span<const float> block(row.data() + at, n);
      const double block_step = step(block, blocks.levels, blocks.has_minimum);
      if (block_step == 0) continue;  // zeros, which both have exactly
      sum.rows += std::log(row_step) * static_cast<double>(n);
      sum.blocks += std::log(block_step) * static_cast<double>(n);
    }
  }
}

}  // namespace

DType stored_dtype(std::span<const TensorView> matrices) {
  bool half = false;
  Steps steps;
  for (const TensorView& view : matrices) {
    if (view.encoding == Encoding::int8_rows) continue;
    if (const auto blocks = blocks_of(view.encoding)) {
      add_steps(view, *blocks, steps);
    } else if (view.shape.dtype == DType::bf16 || view.shape.dtype == DType::f16) {
      half = true;
    } else {
      return DType::f32;
    }
  }
  return half || steps.rows > steps.blocks ? DType::bf16 : DType::s8;
}

DType stored_dtype(const Checkpoint& checkpoint) {
  std::vector<TensorView> matrices;
  for (const Checkpoint::Entry& entry : checkpoint.entries())
    if (entry.field.matrix) matrices.push_back(entry.view);
  return stored_dtype(matrices);
}

}  // namespace adder::checkpoint
