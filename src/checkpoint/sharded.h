#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adder/error.h"
#include "checkpoint/safetensors.h"

namespace adder::checkpoint {

/// Several safetensors files behind a model.safetensors.index.json, {"weight_map": {tensor: file}}, as the
/// Hugging Face hub stores large models. The shards must hold exactly the tensors that the index assigns to
/// them.
class ShardedSafetensors final : public TensorSource {
 public:
  /// Opens the index and every shard. Shards are plain names of files beside the index.
  /// Errors: not_found (index or shard), corrupt (all disagreements between index and shards in one message).
  static Result<std::unique_ptr<ShardedSafetensors>> open(const std::filesystem::path& index);

  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override;
  void release(const TensorView& view) const override;

 private:
  ShardedSafetensors() = default;

  std::vector<std::unique_ptr<SafetensorsFile>> shards_;
  std::vector<TensorView> tensors_;                            // by shard, then data order
  std::unordered_map<std::string_view, std::size_t> by_name_;  // keys view tensors_[i].name
  std::vector<std::size_t> shard_of_;                          // parallel to tensors_
};

}  // namespace adder::checkpoint
