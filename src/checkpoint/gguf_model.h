#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adder/error.h"
#include "base/mapped_file.h"
#include "base/vocabulary.h"
#include "checkpoint/config.h"
#include "checkpoint/gguf.h"
#include "checkpoint/tensor_source.h"

/// What a GGUF file of general.architecture "mamba2" means, by llama.cpp's conventions
/// (convert_hf_to_gguf.py, Mamba2Model; src/models/mamba.cpp).
namespace adder::checkpoint {

/// One memory-mapped GGUF file with a Mamba-2 model.
///
/// Tensors keep their names ("blk.3.ssm_in.weight") and are found by those and by the canonical ones. Their
/// shapes are the canonical ones: conv weights [F,1,K] instead of [F,K], and one-dimensional what llama.cpp
/// stores with a second axis (ssm_a, ssm_d [H,1], ssm_norm [G,E/G]). Block-quantised tensors have dtype f32
/// and are expanded as they are read (TensorView::encoding), so that no more of the model is in memory than
/// the caller asks for.
///
/// blk.i.ssm_a holds A = -exp(A_log), rounded to float32 by whoever wrote it; reading it as A_log gives
/// log(-A) rounded to float32. If the writer's exp was correctly rounded, that is the original A_log bit for
/// bit where |A_log| >= 1, and elsewhere a neighbour whose correctly rounded -exp is the stored A: float32
/// has several A_log for one A there, so no reader can do better.
class GgufFile final : public TensorSource {
 public:
  /// Errors: those of MappedFile::open, parse_gguf and gguf_config; unsupported (another architecture, an
  /// ssm_a that is not F32), corrupt (an ssm_a that is not negative).
  static Result<std::unique_ptr<GgufFile>> open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override;
  std::vector<OpenFile> files() const override { return {{file_.path(), file_.identity()}}; }
  void release(const TensorView& view) const override { file_.advise(view.bytes, Advice::dont_need); }
  std::vector<const MappedFile*> files() const override { return {&file_}; }
  const ModelConfig* config() const override { return &config_; }
  Result<std::optional<Vocabulary>> vocabulary() const override;

  const GgufContent& content() const { return content_; }

 private:
  GgufFile(MappedFile file, GgufContent content, ModelConfig config, std::vector<TensorView> tensors);

  MappedFile file_;
  GgufContent content_;
  ModelConfig config_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// Errors: unsupported, saying what the file is instead, if it does not describe a Mamba-2 model.
Status check_gguf_architecture(const GgufContent& content, std::string_view origin);

/// The config that the keys and tensors state: mamba2.{embedding_length, block_count,
/// attention.layer_norm_rms_epsilon} and mamba2.ssm.{conv_kernel, inner_size, state_size, time_step_rank (the
/// number of heads), group_count}. V is the number of rows of token_embd.weight. vocab_size is the number of
/// tokens without unused ones at the end (padding); without tokens it is mamba2.vocab_size, else V. The head
/// is tied if there is no output.weight. The format has no limits for dt. Errors: corrupt, with all problems.
Result<ModelConfig> gguf_config(const GgufContent& content, std::string_view origin);

/// The tokenizer.* keys; nullopt if there is no vocabulary ("no_vocab", or no keys). Errors: corrupt (a key
/// of the wrong type, lists of different lengths).
Result<std::optional<Vocabulary>> gguf_vocabulary(const GgufContent& content, std::string_view origin);

/// "blk.3.ssm_a" -> "backbone.layers.3.mixer.A_log"; nullopt for names that Mamba-2 does not have.
std::optional<std::string> canonical_from_gguf(std::string_view name);

/// The tensors as canonical views, in file order. Errors: as GgufFile::open.
Result<std::vector<TensorView>> gguf_views(const GgufContent& content, std::string_view origin);

}  // namespace adder::checkpoint
