#pragma once

// Small configs, for the tests of this room and of those above it.

#include <filesystem>
#include <string>

#include "arch/mamba2.h"
#include "base/json.h"

namespace adder::arch::testing {

#ifdef ADDER_SOURCE_DIR
inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(ADDER_SOURCE_DIR) / "tests/goldens" / name;
}
#endif

struct Sizes {
  std::int64_t d_model, n_layer, d_state, head_dim, n_heads;
  std::int64_t vocab_size, rows;  ///< ids that exist; rows of the embedding
};
/// A Mamba-2 of these sizes with one group, a convolution over 4, and a tied head.
inline std::shared_ptr<Mamba2> mamba2_of(const Sizes& sizes) {
  auto c = std::make_shared<Mamba2>();
  c->d_model = sizes.d_model, c->n_layer = sizes.n_layer, c->d_state = sizes.d_state;
  c->head_dim = sizes.head_dim, c->n_heads = sizes.n_heads, c->d_inner = sizes.n_heads * sizes.head_dim;
  c->n_groups = 1, c->d_conv = 4;
  c->vocab_size = sizes.vocab_size, c->padded_vocab_size = sizes.rows;
  return c;
}

/// A two-layer Mamba-2, small enough to change by hand: D 8, E 16, H 4, P 4, G 2, N 4, K 4, V 10.
inline Json tiny_config() {
  return Json::parse(
      R"({"model_type":"mamba2","hidden_size":8,"num_hidden_layers":2,"state_size":4,"head_dim":4,
    "num_heads":4,"n_groups":2,"expand":2,"conv_kernel":4,"vocab_size":10,"layer_norm_epsilon":1e-5,
    "rms_norm":true,"use_bias":false,"use_conv_bias":true,"tie_word_embeddings":true,"eos_token_id":0})");
}

}  // namespace adder::arch::testing
