#include "model/state.h"

namespace adder::model {

State<Shape> state_shapes(const Mamba2Config& c, std::int64_t batch) {
  return State<Shape>(static_cast<std::size_t>(c.n_layer),
                      {.conv = {DType::f32, {batch, c.d_conv - 1, c.conv_dim()}},
                       .ssm = {DType::f32, {batch, c.n_heads, c.head_dim, c.d_state}}});
}

}  // namespace adder::model
