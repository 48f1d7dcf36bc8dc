#pragma once

// Small checks that all inference shares.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "hlo/infer.h"

namespace adder::hlo {

namespace detail {
inline std::string printable(const Shape& shape) { return to_string(shape); }
inline std::string printable(const Dims& dims) { return to_string(dims); }
template <class T>
const T& printable(const T& value) {
  return value;
}
}  // namespace detail

/// Throws ShapeError with a formatted message unless `holds`; shapes and dims print as "f32[2,3]" and
/// "[2,3]".
template <class... Args>
void require(bool holds, fmt::string_view format, const Args&... args) {
  if (holds) return;
  auto text = [&](const auto&... printed) { return fmt::vformat(format, fmt::make_format_args(printed...)); };
  throw ShapeError(text(detail::printable(args)...));
}

inline std::size_t at(std::int64_t axis) { return static_cast<std::size_t>(axis); }
inline bool contains(const Dims& dims, std::int64_t axis) {
  return std::find(dims.begin(), dims.end(), axis) != dims.end();
}

/// Sizes are known and not negative.
inline void check_dims(const Shape& shape) {
  for (std::int64_t d : shape.dims) require(d >= 0, "{} has a negative size", shape);
}
inline void check_axis(std::int64_t axis, const Shape& shape, const char* what) {
  require(0 <= axis && axis < shape.rank(), "{} {} is not a dimension of {}", what, axis, shape);
}
/// All within the rank, no axis twice.
inline void check_axes(const Dims& axes, const Shape& shape, const char* what) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    check_axis(axes[i], shape, what);
    for (std::size_t j = 0; j < i; ++j)
      require(axes[i] != axes[j], "{} {} names an axis of {} twice", what, axes, shape);
  }
}
inline void check_sorted(const Dims& axes, const char* what) {
  require(std::is_sorted(axes.begin(), axes.end()), "{} {} is not in ascending order", what, axes);
}

}  // namespace adder::hlo
