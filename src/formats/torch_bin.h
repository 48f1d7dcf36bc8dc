#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "base/mapped_file.h"
#include "formats/tensor_source.h"
#include "formats/torch_state.h"

namespace adder::formats {

/// A state dict written by torch.save since PyTorch 1.6: a zip archive of uncompressed entries,
/// `NAME/data.pkl` (the dict, with tensors as calls that rebuild them) and `NAME/data/KEY` (the storages).
/// The format is what torch/serialization.py and caffe2/serialize/inline_container.h write. Nothing in a file
/// is executed; see pickle.h.
///
/// Tensors are served from the mapped file, also where several share a storage. Only one that does not lie
/// row by row (a saved transpose) is copied into memory when the file is opened; such copies take at most the
/// file's size in all.
class TorchFile final : public TensorSource {
 public:
  /// Errors: as MappedFile::open; corrupt (not a zip archive, a pickle or a tensor that makes no sense, each
  /// named); unsupported (the format before 1.6, a compressed or big-endian archive, a pickle that wants
  /// anything but tensors).
  static Result<std::unique_ptr<TorchFile>> open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override { return "PyTorch"; }
  void release(const TensorView& view) const override;
  std::vector<const MappedFile*> files() const override { return {&file_}; }

 private:
  explicit TorchFile(MappedFile file) : file_(std::move(file)) {}
  Status read();
  Status add(const TorchTensor& tensor, std::span<const std::byte> storage);

  MappedFile file_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  std::uint64_t copied_ = 0;                                   // bytes in copies_
  std::vector<TensorView> tensors_;                            // in the dict's order
  std::unordered_map<std::string_view, std::size_t> by_name_;  // keys view tensors_[i].name
};

}  // namespace adder::formats
