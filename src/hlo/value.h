#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string>

#include "base/shape.h"

namespace adder::hlo {

class Function;

/// Where the caller wrote an op; every op takes it last and defaulted, so errors point at model code.
using Loc = std::source_location;

/// A mistake in graph-building code: wrong shapes, values of two functions mixed, an unfinished function.
/// The only exception Adder throws; `engine` turns it into an Error at its surface.
class BuildError : public std::exception {
 public:
  /// what() reads "file.cc:12: dot_general: contracting sizes differ: f32[2,3] dim 1 and f32[4,5] dim 0".
  BuildError(std::string op, std::string message, Loc where);
  const char* what() const noexcept override { return text_.c_str(); }
  const Loc& where() const { return where_; }

 private:
  std::string text_;
  Loc where_;
};

/// A tensor in a graph: a handle to one result of one op. Copies are free. Valid while its Module lives;
/// not tied to a thread, but a Module is built by one thread at a time.
class Value {
 public:
  Value() = default;  ///< a null handle, only to be assigned to
  Value(Function* function, std::uint32_t id) : function_(function), id_(id) {}

  const Shape& shape() const;
  DType dtype() const { return shape().dtype; }
  const Dims& dims() const { return shape().dims; }
  std::int64_t rank() const { return shape().rank(); }
  /// Size of one dimension; negative counts from the end (dim(-1) is the last).
  std::int64_t dim(std::int64_t axis, Loc loc = Loc::current()) const;

  Function& function() const { return *function_; }
  std::uint32_t id() const { return id_; }

 private:
  Function* function_ = nullptr;
  std::uint32_t id_ = 0;
};

}  // namespace adder::hlo
