#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/json.h"

namespace adder::checkpoint {

/// Who wrote the config: Hugging Face transformers (`hidden_size`), state-spaces/mamba (`d_model`,
/// `ssm_cfg`), Mistral (params.json with `dim`, `n_layers`); or the keys of a GGUF file stand in for it.
enum class Dialect { hugging_face, mamba_ssm, mistral, gguf };
std::string_view name(Dialect dialect);  ///< "Hugging Face", "mamba_ssm", "Mistral", "GGUF"

/// Fields whose value may come from a published default; see ModelConfig::defaulted.
enum class Field {
  d_state,
  head_dim,
  n_heads,
  n_groups,
  d_conv,
  use_bias,
  use_conv_bias,
  gated_norm,
  tie_embeddings
};

/// One Mamba-2 language model, in the names of the mathematics (docs/ARCHITECTURE.md has the legend). The two
/// names after each field are its Hugging Face and mamba_ssm spellings, with the default each publishes;
/// Mistral's dim, n_layers, n_groups, tie_embeddings mean the same, and its other sizes are mamba_ssm's
/// defaults.
struct ModelConfig {
  Dialect dialect = Dialect::hugging_face;
  std::int64_t d_model = 0;     ///< D: hidden_size | d_model; required
  std::int64_t n_layer = 0;     ///< num_hidden_layers | n_layer; required
  std::int64_t d_inner = 0;     ///< E = H*P = expand*D: expand, 2 | ssm_cfg.expand, 2
  std::int64_t n_heads = 0;     ///< H: num_heads, E/P | E/P
  std::int64_t head_dim = 0;    ///< P: head_dim, 64 | ssm_cfg.headdim, 64
  std::int64_t n_groups = 0;    ///< G: n_groups, 8 | ssm_cfg.ngroups, 1
  std::int64_t d_state = 0;     ///< N: state_size, 128 | ssm_cfg.d_state, 128
  std::int64_t d_conv = 0;      ///< K: conv_kernel, 4 | ssm_cfg.d_conv, 4
  std::int64_t vocab_size = 0;  ///< ids that exist; required
  std::int64_t padded_vocab_size =
      0;                   ///< V: rows of the embedding, vocab_size rounded up to
                           ///< pad_vocab_size_multiple (1 | 8). Ids from vocab_size up are never chosen
  double norm_eps = 1e-5;  ///< layer_norm_epsilon | norm_epsilon
  double dt_min = 0.0;     ///< time_step_limit | ssm_cfg.dt_limit; clamp after softplus
  double dt_max = std::numeric_limits<double>::infinity();
  bool use_bias = false;                    ///< in_proj and out_proj: use_bias | ssm_cfg.bias
  bool use_conv_bias = true;                ///< use_conv_bias | ssm_cfg.conv_bias
  bool has_gated_norm = true;               ///< mixer.norm.weight exists: rms_norm | ssm_cfg.rmsnorm
  bool tie_embeddings = true;               ///< tie_word_embeddings, false | tie_embeddings, true
  bool residual_in_fp32 = true;             ///< noted only: the residual stream is always float32
  std::vector<std::int64_t> eos_token_ids;  ///< number, list or null; empty if the file names none
  std::optional<std::int64_t> bos_token_id, pad_token_id;

  /// Fields that the file leaves out, so that the tensors decide (Checkpoint::open does that).
  std::set<Field> defaulted;

  std::int64_t conv_dim() const { return d_inner + 2 * n_groups * d_state; }
  std::int64_t in_proj_dim() const { return d_inner + conv_dim() + n_heads; }
  bool is_default(Field field) const { return defaulted.contains(field); }
};

/// Interprets a parsed config.json or params.json of any dialect; `origin` names the file in messages.
/// Errors: corrupt (missing or mistyped field, size out of range, fields that contradict each other: all of
/// them in one message), unsupported (Mamba-1, a hybrid, another architecture, a Mamba-2 variant such as
/// D_has_hdim, weights quantised in another way than quantization_config.h says: the message says which).
Result<ModelConfig> parse_config(const Json& json, std::string_view origin);
/// parse_config() of a file.
Result<ModelConfig> read_config(const std::filesystem::path& path);

/// Checks that sizes are sane and agree with each other. parse_config() has done so, except that it leaves a
/// default n_groups to the tensors; for configs changed since.
Status validate(const ModelConfig& config, std::string_view origin);

/// generation_config.json: what the model's author suggests. Absent or null fields are nullopt.
struct GenerationDefaults {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::int64_t> top_k, max_new_tokens, bos_token_id, pad_token_id;
  std::vector<std::int64_t> eos_token_ids;
};
/// Errors: corrupt (not JSON, a wrong type or a value out of range, naming the field).
Result<GenerationDefaults> parse_generation_defaults(const Json& json, std::string_view origin);
/// Reads the file if it exists; all fields absent otherwise.
Result<GenerationDefaults> read_generation_defaults(const std::filesystem::path& path);

}  // namespace adder::checkpoint
