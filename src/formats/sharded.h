#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adder/error.h"
#include "formats/tensor_source.h"

namespace adder::formats {

/// Several files behind a model.safetensors.index.json or pytorch_model.bin.index.json,
/// {"weight_map": {tensor: file}}, as the Hugging Face hub stores large models. The shards must hold exactly
/// the tensors that the index assigns to them.
class ShardedSource final : public TensorSource {
 public:
  /// Opens one shard, in whatever format it has.
  using Opener = std::function<Result<std::unique_ptr<TensorSource>>(const std::filesystem::path&)>;

  /// Opens the index and every shard. Shards are plain names of files beside the index.
  /// Errors: not_found (index or shard), corrupt (all disagreements between index and shards in one message),
  /// those of `open_shard`.
  static Result<std::unique_ptr<ShardedSource>> open(const std::filesystem::path& index,
                                                     const Opener& open_shard);

  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override;
  void release(const TensorView& view) const override;
  std::shared_ptr<const std::byte> share(const TensorView& view) const override;
  bool is_shared() const override;
  std::vector<const MappedFile*> files() const override;

 private:
  ShardedSource() = default;

  std::vector<std::unique_ptr<TensorSource>> shards_;
  std::vector<TensorView> tensors_;                            // by shard, then data order
  std::unordered_map<std::string_view, std::size_t> by_name_;  // keys view tensors_[i].name
  std::vector<std::size_t> shard_of_;                          // parallel to tensors_
};

}  // namespace adder::formats
