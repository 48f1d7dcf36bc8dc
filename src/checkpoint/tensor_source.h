#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/shape.h"

namespace adder::checkpoint {

/// A tensor as it lies in a checkpoint: little-endian, dense, row-major. The bytes belong to the TensorSource
/// it came from and may start at any address, so read elements with memcpy or with read_as().
struct TensorView {
  std::string name;
  Shape shape;
  std::span<const std::byte> bytes;  ///< shape.bytes() of them
  std::string file;                  ///< the file it lies in, for messages
};

/// Something that holds named tensors: one safetensors file, an index with shards, later other formats.
/// Everything is validated when the source is opened, so looking up cannot fail for a listed name. Immutable
/// after opening; all const members are safe from any thread.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  /// All tensors, in file order.
  virtual const std::vector<TensorView>& tensors() const = 0;
  /// nullptr if there is no tensor of that name.
  virtual const TensorView* find(std::string_view name) const = 0;
  /// For people: "safetensors", "safetensors, 3 shards".
  virtual std::string format() const = 0;
  /// The caller has read `view`'s bytes and will not soon again: memory they occupy may be given back.
  virtual void release(const TensorView& view) const = 0;
};

}  // namespace adder::checkpoint
