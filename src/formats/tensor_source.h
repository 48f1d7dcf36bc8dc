#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/shape.h"
#include "base/vocabulary.h"

namespace adder {
class MappedFile;
}

namespace adder::formats {

class GgufContent;

/// How a view's bytes spell its elements.
enum class Encoding : std::uint8_t {
  dense,         ///< shape.dtype, one after the other
  negative_exp,  ///< float32 -exp(x) for each element x (GGUF's ssm_a, read as A_log)
  q4_0,
  q8_0,
  q4_k,
  q6_k,       ///< ggml's blocks (ggml_types.h), expanded to float32
  int8_rows,  ///< a matrix of int8, one scale a row (int8_rows.h), expanded to float32
};

/// A tensor as it lies in a checkpoint: little-endian, row-major. The bytes belong to the TensorSource it
/// came from and may start at any address, so read elements with read_as(), or with memcpy if the encoding is
/// dense.
struct TensorView {
  std::string name;
  Shape shape;
  std::span<const std::byte> bytes;  ///< shape.bytes() of them if the encoding is dense
  std::string file;                  ///< the file it lies in, for messages
  Encoding encoding = Encoding::dense;
  std::span<const std::byte> scales{};  ///< int8_rows: shape.dims[0] of scale_dtype; else empty
  DType scale_dtype = DType::f32;
};

/// Something that holds named tensors: one safetensors file, an index with shards, a GGUF file, ...
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
  /// `view`'s bytes, held in the mapped file itself for as long as the caller wants, beyond the source's own
  /// life: for using a tensor in place instead of copying it. nullptr where the source cannot. Whoever
  /// replaces such a file must rename, not overwrite (see MappedFile and files()).
  virtual std::shared_ptr<const std::byte> share(const TensorView& /*view*/) const { return nullptr; }
  /// Whether somebody holds bytes that share() gave out.
  virtual bool is_shared() const { return false; }
  /// The mapped files that all bytes of all views lie in, for telling them from others and for
  /// MappedFile::check_unchanged().
  virtual std::vector<const MappedFile*> files() const = 0;
  /// The keys of a GGUF file, which hold its config; nullptr for other formats.
  virtual const GgufContent* gguf() const { return nullptr; }
  /// The vocabulary if the format carries one. Copies it; nothing of it is kept. Errors: corrupt.
  virtual Result<std::optional<Vocabulary>> vocabulary() const { return std::optional<Vocabulary>(); }
};

}  // namespace adder::formats
