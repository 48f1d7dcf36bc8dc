#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/shape.h"
#include "checkpoint/config.h"

/// What a config implies: which tensors a checkpoint must and may hold, under which names, in which shapes.
namespace adder::checkpoint {

/// What a tensor is for. Legend: D model, E inner, H heads, G groups, N state, K conv width, V padded
/// vocabulary, F = E + 2GN conv channels, I = E + F + H rows of in_proj in the order z, x, B, C, dt.
enum class Role {
  embedding,      ///< [V,D]
  block_norm,     ///< [D]
  in_proj,        ///< [I,D]
  in_proj_bias,   ///< [I]; only with use_bias
  conv_weight,    ///< [F,1,K]
  conv_bias,      ///< [F]; only with use_conv_bias
  a_log,          ///< [H]
  d,              ///< [H]
  dt_bias,        ///< [H]
  gated_norm,     ///< [E]; only with has_gated_norm
  out_proj,       ///< [D,E]
  out_proj_bias,  ///< [D]; only with use_bias
  final_norm,     ///< [D]
  head,           ///< [V,D]; only if not tied
};

/// One tensor that a checkpoint has to hold, or may.
struct TensorSpec {
  Role role = Role::embedding;
  std::int64_t layer = -1;           ///< -1 for tensors outside the layers
  std::string name;                  ///< canonical: the Hugging Face name
  std::vector<std::string> aliases;  ///< other names in use for the same thing
  Dims dims;
  bool used = true;  ///< false: may be stored and is ignored (lm_head.weight of a tied model)
};

/// "backbone.layers.3.mixer.in_proj.weight". `layer` is ignored for roles outside the layers.
std::string canonical_name(Role role, std::int64_t layer = -1);
/// mamba_ssm says backbone.embedding.weight; a model saved without its language-model head lacks "backbone.";
/// Mistral puts "model." before mamba_ssm's names.
std::vector<std::string> aliases_of(const std::string& canonical);
/// The shape of a role's tensor.
Dims dims_of(Role role, const ModelConfig& config);

/// All tensors of `config` in canonical order: embedding, layer 0, ..., final norm, head.
/// Precondition: validate(config) holds.
std::vector<TensorSpec> manifest(const ModelConfig& config);

}  // namespace adder::checkpoint
