#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace adder {

/// Dimension sizes, axis lists, strides: everything StableHLO calls i64 arrays.
using Dims = std::vector<std::int64_t>;

/// Element type and static dimension sizes of a tensor; dense, row-major. A plain value.
struct Shape {
  DType dtype = DType::f32;
  Dims dims;

  std::int64_t rank() const { return static_cast<std::int64_t>(dims.size()); }
  std::int64_t elements() const;  ///< product of dims; 1 for a scalar
  std::int64_t bytes() const;     ///< elements() times byte_size(dtype)
  bool operator==(const Shape&) const = default;
};

/// "f32[2,3]", "s32[]".
std::string to_string(const Shape& shape);
/// "[2,3]".
std::string to_string(const Dims& dims);

}  // namespace adder
