#pragma once

#include <cstdint>
#include <limits>

namespace adder::model {

/// Sizes and constants of one Mamba-2 language model; what the graph depends on and nothing else.
/// Legend used across this room: B batch, T tokens, D model, E inner = H·P, H heads, P head dim, G groups,
/// N state, K conv width, V vocabulary rows, L layers; conv channels F = E + 2·G·N.
struct Mamba2Config {
  std::int64_t d_model = 0, n_layer = 0, d_state = 0, head_dim = 0, n_heads = 0, n_groups = 1, d_conv = 4;
  std::int64_t vocab_rows = 0;  ///< rows of the embedding, padding included
  std::int64_t vocab_size = 0;  ///< ids that exist; ids from here up are never chosen
  double norm_eps = 1e-5;
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();  ///< clamp after softplus
  bool proj_bias = false, conv_bias = true, gated_norm = true, tied_head = true;

  std::int64_t d_inner() const { return n_heads * head_dim; }
  std::int64_t conv_dim() const { return d_inner() + 2 * n_groups * d_state; }
  std::int64_t in_proj_dim() const { return d_inner() + conv_dim() + n_heads; }
};

}  // namespace adder::model
