#include "checkpoint/names.h"

#include <fmt/format.h>

#include <string_view>

namespace adder::checkpoint {
namespace {

constexpr std::string_view kPrefix = "backbone.", kMistralPrefix = "model.";

// Within a layer, in the order in which they are listed.
constexpr Role kLayerRoles[] = {
    Role::block_norm, Role::in_proj, Role::in_proj_bias, Role::conv_weight, Role::conv_bias,    Role::a_log,
    Role::d,          Role::dt_bias, Role::gated_norm,   Role::out_proj,    Role::out_proj_bias};

std::string_view suffix(Role role) {
  switch (role) {
    case Role::embedding:
      return "backbone.embeddings.weight";
    case Role::final_norm:
      return "backbone.norm_f.weight";
    case Role::head:
      return "lm_head.weight";
    case Role::block_norm:
      return "norm.weight";
    case Role::in_proj:
      return "mixer.in_proj.weight";
    case Role::in_proj_bias:
      return "mixer.in_proj.bias";
    case Role::conv_weight:
      return "mixer.conv1d.weight";
    case Role::conv_bias:
      return "mixer.conv1d.bias";
    case Role::a_log:
      return "mixer.A_log";
    case Role::d:
      return "mixer.D";
    case Role::dt_bias:
      return "mixer.dt_bias";
    case Role::gated_norm:
      return "mixer.norm.weight";
    case Role::out_proj:
      return "mixer.out_proj.weight";
    case Role::out_proj_bias:
      return "mixer.out_proj.bias";
  }
  return {};
}

bool outside_layers(Role role) {
  return role == Role::embedding || role == Role::final_norm || role == Role::head;
}

bool is_present(Role role, const ModelConfig& c) {
  switch (role) {
    case Role::in_proj_bias:
    case Role::out_proj_bias:
      return c.use_bias;
    case Role::conv_bias:
      return c.use_conv_bias;
    case Role::gated_norm:
      return c.has_gated_norm;
    default:
      return true;
  }
}

TensorSpec spec(Role role, std::int64_t layer, const ModelConfig& config) {
  TensorSpec s{.role = role, .layer = layer, .name = canonical_name(role, layer), .aliases = {}, .dims = {}};
  s.aliases = aliases_of(s.name);
  s.dims = dims_of(role, config);
  s.used = role != Role::head || !config.tie_embeddings;
  return s;
}

}  // namespace

std::string canonical_name(Role role, std::int64_t layer) {
  if (outside_layers(role)) return std::string(suffix(role));
  return fmt::format("backbone.layers.{}.{}", layer, suffix(role));
}

std::vector<std::string> aliases_of(const std::string& canonical) {
  std::vector<std::string> names;
  if (canonical == suffix(Role::embedding)) names = {"backbone.embedding.weight", "embedding.weight"};
  if (canonical.starts_with(kPrefix)) names.push_back(canonical.substr(kPrefix.size()));
  names.push_back(std::string(kMistralPrefix) + canonical);
  if (canonical == suffix(Role::embedding))
    names.push_back(std::string(kMistralPrefix) + "backbone.embedding.weight");
  return names;
}

Dims dims_of(Role role, const ModelConfig& c) {
  switch (role) {
    case Role::embedding:
    case Role::head:
      return {c.padded_vocab_size, c.d_model};
    case Role::block_norm:
    case Role::out_proj_bias:
    case Role::final_norm:
      return {c.d_model};
    case Role::in_proj:
      return {c.in_proj_dim(), c.d_model};
    case Role::in_proj_bias:
      return {c.in_proj_dim()};
    case Role::conv_weight:
      return {c.conv_dim(), 1, c.d_conv};
    case Role::conv_bias:
      return {c.conv_dim()};
    case Role::a_log:
    case Role::d:
    case Role::dt_bias:
      return {c.n_heads};
    case Role::gated_norm:
      return {c.d_inner};
    case Role::out_proj:
      return {c.d_model, c.d_inner};
  }
  return {};
}

std::vector<TensorSpec> manifest(const ModelConfig& config) {
  std::vector<TensorSpec> specs{spec(Role::embedding, -1, config)};
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer)
    for (const Role role : kLayerRoles)
      if (is_present(role, config)) specs.push_back(spec(role, layer, config));
  specs.push_back(spec(Role::final_norm, -1, config));
  specs.push_back(spec(Role::head, -1, config));
  return specs;
}

}  // namespace adder::checkpoint
