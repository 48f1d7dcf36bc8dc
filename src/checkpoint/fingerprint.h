#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "arch/config.h"
#include "base/hash.h"
#include "formats/tensor_source.h"

namespace adder::checkpoint {

/// Accumulates the 64-bit identity that fingerprint_of() promises: XXH3 over a fixed little-endian
/// serialisation, so that it is the same on every machine. Order matters.
class Fingerprint {
 public:
  /// Sizes and constants; not token ids, dialect or which fields were defaults, which do not change the
  /// mathematics.
  void add(const arch::Config& config);
  /// Name, type and shape.
  void add_description(std::string_view canonical, const formats::TensorView& view);
  /// Every byte, of int8 the scales too; the elements of negative_exp as they read, so that A_log counts the
  /// same whether stored as such or as -exp(A_log). Calls `after` for every `piece` bytes of the file or
  /// fewer; its error ends the work and is returned.
  Status add_elements(const formats::TensorView& view, std::size_t piece,
                      const std::function<Status(std::size_t bytes)>& after);
  void text(std::string_view value) { hasher_.text(value); }
  std::uint64_t value() const { return hasher_.value().low; }

 private:
  Hasher hasher_;
};

}  // namespace adder::checkpoint
