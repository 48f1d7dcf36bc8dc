#pragma once

// What the readers of all architectures share: limits, complaints, and the fields that every language model
// has.

#include <string>
#include <string_view>
#include <vector>

#include "arch/config.h"
#include "base/fields.h"

namespace adder::arch {

// Far above anything published (D 4096, L 64, V 262144), far below where a product of a few could overflow.
inline constexpr std::int64_t kMaxSize = 1 << 20, kMaxLayers = 1 << 12, kMaxVocab = 1 << 26, kMaxConv = 64;

/// Everything that is wrong with a config, gathered so that it can be said at once.
struct Findings {
  std::vector<std::string> problems;  ///< missing, mistyped, out of range, contradictory
  std::vector<std::string> variants;  ///< well-formed settings that Adder does not do

  void unsupported(bool present, std::string what) {
    if (present) variants.push_back(std::move(what));
  }
  /// Problems as corrupt; else variants as unsupported; else none.
  Status status(std::string_view origin) const;
};

/// A whole number from 1 to `high` that must be there; 0 where it was complained about.
std::int64_t require(Fields& fields, Findings& findings, std::string_view name, std::int64_t high,
                     std::int64_t low = 1);
/// Complains unless low <= value <= high.
void check_range(Findings& findings, std::string_view what, std::int64_t value, std::int64_t low,
                 std::int64_t high);
/// The sizes that Config itself has.
void check_common_sizes(const Config& config, Findings& findings);

/// Special tokens, vocabulary, residual_in_fp32 and quantisation, in the dialect that `config` says.
void read_common(Config& config, Fields& top, Findings& findings);
/// What every Mamba says in transformers' dialect: d_model, n_layer, norm_eps, the activation, and of the
/// embedding's rows, which vocab_size counts there, how many are ids (`adder convert` writes
/// unpadded_vocab_size).
void read_hugging_face_common(Config& config, Fields& top, Findings& findings);
/// The same in mamba_ssm's: d_model, n_layer, norm_eps; layers with an MLP or another norm are variants.
void read_mamba_ssm_common(Config& config, Fields& top, Findings& findings);
/// Anything but silu is a variant.
void read_activation(Fields& fields, Findings& findings, std::string_view name);
/// expand times the model width, which must be whole; 0 where it was complained about.
std::int64_t expanded_width(double expand, std::int64_t d_model, Findings& findings);
/// mamba_ssm's and Mistral's rms_norm false: blocks normalised by LayerNorm.
void refuse_layer_norm(Fields& top, Findings& findings);

/// What every GGUF language model states: d_model, n_layer, norm_eps, vocabulary, special tokens. `prefix` is
/// the architecture ("mamba2"). Whether the head is tied the tensors tell.
void read_gguf_common(Config& config, Fields& keys, Findings& findings, const std::string& prefix,
                      const Source& source);

/// The part of a Hugging Face config.json that every language model has.
OrderedJson common_hugging_face(const Config& config, const char* model_class, const char* model_type);
/// A number that may be infinite; JSON has none, so the text "@infinity@" stands for it until it is printed.
OrderedJson extended_number(double value);

/// Whether the string list or string at `key` names one of `words`.
bool names_any(const Json& object, const char* key, std::initializer_list<std::string_view> words);
bool has_any(const Json& object, std::initializer_list<const char*> keys);
/// The text at `key`, or nothing.
std::string text_or_empty(const Json& object, const char* key);
/// mamba_ssm's ssm_cfg, or an empty object.
const Json& ssm_cfg(const Json& object);

/// The stored shape of a tensor under its name or an alias; nullptr if there is none.
const Dims* stored_dims(const Stored& stored, const TensorField& field);
/// The same by what graph code calls it, in the first layer that has it (any layer if it is of the layers).
const Dims* stored_dims(const Stored& stored, const std::vector<TensorField>& tensors,
                        std::string_view local);
/// Size of an axis of that shape if it has that rank.
std::optional<std::int64_t> stored_dim(const Stored& stored, const std::vector<TensorField>& tensors,
                                       std::string_view local, std::size_t rank, std::size_t axis);

}  // namespace adder::arch
