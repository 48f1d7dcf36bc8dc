#include "checkpoint/infer.h"

#include <fmt/format.h>

#include <algorithm>

namespace adder::checkpoint {
namespace {

// A layer counts as having a tensor if any layer does: what the others lack is then reported as missing.
bool any_layer_has(const TensorSource& source, Role role, std::int64_t n_layer) {
  for (std::int64_t i = 0; i < n_layer; ++i)
    if (find_any(source, canonical_name(role, i)) != nullptr) return true;
  return false;
}

// Dimension `axis` of a tensor of rank `rank`; nullopt if absent or of another rank.
std::optional<std::int64_t> dimension(const TensorSource& source, const std::string& name, std::size_t rank,
                                      std::size_t axis) {
  const TensorView* view = find_any(source, name);
  if (view == nullptr || view->shape.dims.size() != rank || view->shape.dims[axis] <= 0) return std::nullopt;
  return view->shape.dims[axis];
}

void fill_presence(ModelConfig& c, const TensorSource& source) {
  if (c.is_default(Field::use_bias))
    c.use_bias = any_layer_has(source, Role::in_proj_bias, c.n_layer) ||
                 any_layer_has(source, Role::out_proj_bias, c.n_layer);
  if (c.is_default(Field::use_conv_bias)) c.use_conv_bias = any_layer_has(source, Role::conv_bias, c.n_layer);
  if (c.is_default(Field::gated_norm)) c.has_gated_norm = any_layer_has(source, Role::gated_norm, c.n_layer);
  if (c.is_default(Field::tie_embeddings) && find_any(source, canonical_name(Role::head)) == nullptr)
    c.tie_embeddings = true;
}

void fill_heads(ModelConfig& c, const TensorSource& source) {
  const auto heads = dimension(source, canonical_name(Role::a_log, 0), 1, 0);
  if (!heads || !c.is_default(Field::n_heads) || !c.is_default(Field::head_dim)) return;
  if (c.d_inner % *heads != 0) return;
  c.n_heads = *heads;
  c.head_dim = c.d_inner / *heads;
}

// F = E + 2GN fixes the product of G and N; one of them must be known, or assumed, to split it.
void fill_groups(ModelConfig& c, const TensorSource& source) {
  const auto channels = dimension(source, canonical_name(Role::conv_weight, 0), 3, 0);
  if (!channels || *channels <= c.d_inner || (*channels - c.d_inner) % 2 != 0) return;
  const std::int64_t product = (*channels - c.d_inner) / 2;
  const bool free_groups = c.is_default(Field::n_groups), free_state = c.is_default(Field::d_state);
  if (c.n_groups * c.d_state == product) return;
  if (free_groups && product % c.d_state == 0)
    c.n_groups = product / c.d_state;
  else if (free_state && !free_groups && product % c.n_groups == 0)
    c.d_state = product / c.n_groups;
}

std::int64_t count_layers(const TensorSource& source) {
  std::int64_t n = 0;
  while (find_any(source, canonical_name(Role::in_proj, n)) != nullptr) ++n;
  return n;
}

}  // namespace

const TensorView* find_any(const TensorSource& source, const std::string& canonical) {
  if (const TensorView* view = source.find(canonical)) return view;
  for (const std::string& alias : aliases_of(canonical))
    if (const TensorView* view = source.find(alias)) return view;
  return nullptr;
}

void fill_defaults(ModelConfig& config, const TensorSource& source) {
  fill_presence(config, source);
  if (config.is_default(Field::d_conv)) {
    const auto width = dimension(source, canonical_name(Role::conv_weight, 0), 3, 2);
    if (width && *width >= 2 && *width <= 64) config.d_conv = *width;
  }
  fill_heads(config, source);
  fill_groups(config, source);
}

std::string describe_tensors(const TensorSource& source) {
  const auto inner = dimension(source, canonical_name(Role::out_proj, 0), 2, 1);
  const auto width = dimension(source, canonical_name(Role::embedding), 2, 1);
  const auto rows = dimension(source, canonical_name(Role::embedding), 2, 0);
  const auto heads = dimension(source, canonical_name(Role::a_log, 0), 1, 0);
  const auto channels = dimension(source, canonical_name(Role::conv_weight, 0), 3, 0);
  const auto taps = dimension(source, canonical_name(Role::conv_weight, 0), 3, 2);
  if (!inner || !width || !rows || !heads || !channels || !taps) return {};
  std::string text = fmt::format(
      "the tensors look like {} layers, model width {}, inner width {}, {} heads of {}, convolution width "
      "{}, {} "
      "embedding rows",
      count_layers(source), *width, *inner, *heads, *inner / *heads, *taps, *rows);
  if (*channels > *inner) text += fmt::format(", groups times state size {}", (*channels - *inner) / 2);
  return text;
}

}  // namespace adder::checkpoint
