#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adder/error.h"
#include "base/mapped_file.h"
#include "formats/tensor_source.h"

/// The safetensors format (github.com/huggingface/safetensors, README "Format"): 8 bytes little-endian header
/// size, a JSON object {name: {dtype, shape, data_offsets}}, then the data, to which the offsets are
/// relative.
namespace adder::formats {

/// The format's own limit on the header.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

using Metadata = std::map<std::string, std::string>;  ///< the header's "__metadata__"

struct SafetensorsContent {
  std::vector<TensorView> tensors;  ///< in data order; bytes point into the parsed span
  Metadata metadata;
};

/// Parses and checks a whole file's bytes; `origin` names it in messages. Accepts exactly what the reference
/// implementation accepts: every tensor's byte count equals its shape times its width, the tensors fill the
/// data section in order without gap or overlap, and names are unique. Memory used is proportional to the
/// header actually present, never to a number written in it. Errors: corrupt (naming file, tensor, expected,
/// actual), unsupported (an element type that Adder has no DType for).
Result<SafetensorsContent> parse_safetensors(std::span<const std::byte> file, std::string_view origin);

/// One memory-mapped safetensors file.
class SafetensorsFile final : public TensorSource {
 public:
  /// Errors: as MappedFile::open and parse_safetensors.
  static Result<std::unique_ptr<SafetensorsFile>> open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const override { return content_.tensors; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override { return "safetensors"; }
  void release(const TensorView& view) const override;

  std::shared_ptr<const std::byte> share(const TensorView& view) const override;
  bool is_shared() const override { return file_.use_count() > 1; }
  std::vector<const MappedFile*> files() const override { return {file_.get()}; }

  const Metadata& metadata() const { return content_.metadata; }
  std::span<const std::byte> bytes() const { return file_->bytes(); }  ///< the whole file
  const std::filesystem::path& path() const { return file_->path(); }

 private:
  SafetensorsFile(MappedFile file, SafetensorsContent content);

  std::shared_ptr<const MappedFile> file_;
  SafetensorsContent content_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // keys view content_.tensors[i].name
};

/// What a tensor to be written looks like.
struct TensorHeader {
  std::string name;
  Shape shape;
};
/// Takes the next bytes of the tensor being written.
using ByteSink = std::function<Status(std::span<const std::byte>)>;
/// Hands all bytes of tensor `index` to the sink, in one or many pieces.
using TensorProducer = std::function<Status(std::size_t index, const ByteSink& sink)>;

/// Writes a file atomically (base/atomic_file.h), asking for one tensor's bytes at a time. The format allows
/// no gap between tensors, so their order aligns them: first those of a multiple of 64 bytes, each of which
/// then starts at a multiple of 64 in the file, then the others, widest element type first, so that every
/// tensor is naturally aligned. The header is padded with spaces so that the data starts at a multiple of 64.
/// Errors: invalid_argument (duplicate, reserved or non-UTF-8 name, negative dimension, a tensor of the wrong
/// number of bytes), whatever the producer or the file system reports. On error the target is untouched.
Status write_safetensors(const std::filesystem::path& path, std::span<const TensorHeader> tensors,
                         const TensorProducer& producer, const Metadata& metadata = {});

/// The same for tensors that already lie in memory; `file` of each view is ignored.
Status write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const Metadata& metadata = {});

/// How a file begins, header size and header, and in which order the tensors follow.
struct SafetensorsHead {
  std::string bytes;
  std::vector<std::size_t> order;
};
/// What write_safetensors() writes before the tensors. Errors: as there.
Result<SafetensorsHead> safetensors_head(const std::filesystem::path& path,
                                         std::span<const TensorHeader> tensors, const Metadata& metadata);

}  // namespace adder::formats
