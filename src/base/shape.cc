#include "base/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace adder {

std::int64_t Shape::elements() const {
  std::int64_t n = 1;
  for (std::int64_t d : dims) n *= d;
  return n;
}
std::int64_t Shape::bytes() const { return elements() * byte_size(dtype); }

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ",")); }
std::string to_string(const Shape& shape) { return std::string(name(shape.dtype)) + to_string(shape.dims); }

}  // namespace adder
