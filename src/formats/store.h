#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "formats/tensor_source.h"

namespace adder::formats {

/// Opens whichever format holds the weights of `path` and owns it. Move-only; const members are safe from any
/// thread.
///
/// `path` is a file (.safetensors, .bin of torch.save, .gguf, or an .index.json beside its shards) or a
/// directory, in which are looked for, in this order: model.safetensors; model.safetensors.index.json and the
/// shards it names; pytorch_model.bin; pytorch_model.bin.index.json; consolidated.safetensors (Mistral's own
/// layout); the only file whose name ends in .gguf. Nothing else in a directory is picked up:
/// expected*.safetensors are test results.
class TensorStore {
 public:
  /// Errors: not_found (no path, no weights, a missing shard), unsupported (only pytorch_model.bin there,
  /// or a GGUF file of another architecture), corrupt (see parse_safetensors; index and shards that
  /// disagree).
  static Result<TensorStore> open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const { return source_->tensors(); }
  std::vector<std::string> names() const;
  const TensorView* find(std::string_view name) const { return source_->find(name); }  ///< nullptr if absent
  const TensorSource& source() const { return *source_; }
  std::string format() const { return source_->format(); }
  /// See TensorSource::release.
  void release(const TensorView& view) const { source_->release(view); }
  /// See TensorSource::share.
  std::shared_ptr<const std::byte> share(const TensorView& view) const { return source_->share(view); }

 private:
  explicit TensorStore(std::unique_ptr<TensorSource> source) : source_(std::move(source)) {}
  std::unique_ptr<TensorSource> source_;
};

/// Copies a tensor's elements into `out`, converted to `dtype`. f64, f32, f16 and bf16 convert to f32, f16
/// and bf16 with one rounding to nearest even; any dtype may be read as itself. `out` may have any alignment.
/// Errors: invalid_argument (out is not elements * byte_size(dtype) bytes), unsupported (other conversions).
Status read_as(const TensorView& view, DType dtype, std::span<std::byte> out);
/// read_as() float32 into out.size() == elements floats.
Status read_as_f32(const TensorView& view, std::span<float> out);

/// Part of a tensor: elements [first, first + n) in row-major order, where n = out.size() / byte_size(dtype).
/// Lets a loader convert a large tensor in pieces through a small buffer.
Status read_range_as(const TensorView& view, std::int64_t first, DType dtype, std::span<std::byte> out);

}  // namespace adder::formats
