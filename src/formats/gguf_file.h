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
#include "formats/gguf.h"
#include "formats/tensor_source.h"

namespace adder::formats {

/// One memory-mapped GGUF file, as it is: names and shapes are the file's ("blk.3.ssm_in.weight"; what they
/// mean is arch's). Block-quantised tensors have dtype f32 and are expanded as they are read
/// (TensorView::encoding), so that no more of the model is in memory than the caller asks for.
class GgufFile final : public TensorSource {
 public:
  /// Errors: those of MappedFile::open and parse_gguf.
  static Result<std::unique_ptr<GgufFile>> open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const override { return tensors_; }
  const TensorView* find(std::string_view name) const override;
  std::string format() const override;
  void release(const TensorView& view) const override { file_.advise(view.bytes, Advice::dont_need); }
  std::vector<const MappedFile*> files() const override { return {&file_}; }
  const GgufContent* gguf() const override { return &content_; }
  Result<std::optional<Vocabulary>> vocabulary() const override;

 private:
  GgufFile(MappedFile file, GgufContent content, std::vector<TensorView> tensors);

  MappedFile file_;
  GgufContent content_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// The tensors of a parsed file, as views into it.
std::vector<TensorView> gguf_views(const GgufContent& content, std::string_view origin);

/// All keys as one JSON object, long arrays cut short.
Json gguf_keys(const GgufContent& content);

/// How many tokens the vocabulary lists, without the unused ones at its end; nullopt if it lists none.
std::optional<std::int64_t> gguf_listed_tokens(const GgufContent& content);

/// tokenizer.ggml.*: the vocabulary that a file carries; nullopt if it carries none. Errors: corrupt.
Result<std::optional<Vocabulary>> gguf_vocabulary(const GgufContent& content, std::string_view origin);

}  // namespace adder::formats
