#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "checkpoint/config.h"
#include "checkpoint/tensor_source.h"

namespace adder::checkpoint {

/// Accumulates the 64-bit identity that Checkpoint::fingerprint() promises: FNV-1a over a fixed little-endian
/// serialisation, so that it is the same on every machine. Order matters.
class Fingerprint {
 public:
  /// Sizes and constants; not token ids, dialect or which fields were defaults, which do not change the
  /// mathematics.
  void add(const ModelConfig& config);
  /// Name, dtype, shape and up to 16 runs of 64 bytes spread evenly over the tensor, and the last 64; of int8
  /// also as much of the scales.
  void add(std::string_view canonical, const TensorView& view);
  std::uint64_t value() const { return hash_; }

 private:
  void bytes(std::span<const std::byte> data);
  void sample(std::span<const std::byte> data);
  void number(std::uint64_t value);
  void text(std::string_view value);

  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace adder::checkpoint
