#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "adder/error.h"
#include "base/log.h"
#include "checkpoint/checkpoint.h"

namespace adder::checkpoint {

struct ConvertOptions {
  /// nullopt: every tensor keeps the type it is stored in, bit for bit (GGUF's quantised ones become f32).
  /// f32: all become f32. bf16: projections, embedding and head become bf16, which is what Adder runs in
  /// bf16; the small rest keeps its type, since rounding it would gain nothing and change the model. s8: the
  /// same matrices become int8 with a scale for each row (see read_int8), which is what Adder runs in int8.
  std::optional<DType> dtype{};
  /// Tensor bytes in one file; a larger tensor gets a file of its own. 1 or more.
  std::uint64_t max_shard_bytes = 5'000'000'000;
  /// Texts to write beside the weights, by name, where the source has no such file: the tokenizer.json that
  /// says what a GGUF file's vocabulary says.
  std::map<std::string, std::string> extra_files{};
  /// Asked between pieces; true ends the conversion with ErrorCode::cancelled.
  std::function<bool()> cancelled = [] { return false; };
};

struct ConvertReport {
  std::int64_t tensors = 0, files = 0;  ///< tensors: a scale counts as one; files: of weights
  std::uint64_t bytes = 0;              ///< of tensors
};

/// Writes `source` as a new directory `out` in Hugging Face's layout: config.json, model.safetensors (or
/// model-0000i-of-0000n.safetensors with model.safetensors.index.json) under canonical names, and those of
/// tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja and
/// generation_config.json that lie beside the source. One tensor is read at a time, in pieces of a few MiB.
/// `out` appears only when it is complete (see StagedDirectory). Errors: invalid_argument (`out` is there
/// already, a dtype other than f32, bf16 and s8), corrupt (s8: a weight that is not finite),
/// resource_exhausted (no room on the disk), cancelled, internal.
Result<ConvertReport> convert(const Checkpoint& source, const std::filesystem::path& out,
                              const ConvertOptions& options = {}, Progress& progress = null_progress());

}  // namespace adder::checkpoint
