#include "model/parameters.h"

namespace adder::model {

Params<Shape> parameter_shapes(const Mamba2Config& c, DType weight_dtype) {
  const auto weight = [&](std::int64_t rows, std::int64_t columns) {
    return Shape{weight_dtype, {rows, columns}};
  };
  const auto fine = [](Dims dims) { return Shape{DType::f32, std::move(dims)}; };
  const auto when = [](bool present, Shape shape) {
    return present ? std::optional<Shape>(std::move(shape)) : std::nullopt;
  };
  const LayerParams<Shape> layer{
      .norm = fine({c.d_model}),
      .in_proj = weight(c.in_proj_dim(), c.d_model),
      .in_proj_bias = when(c.proj_bias, fine({c.in_proj_dim()})),
      .conv_weight = fine({c.conv_dim(), 1, c.d_conv}),
      .conv_bias = when(c.conv_bias, fine({c.conv_dim()})),
      .a = fine({c.n_heads}),
      .d = fine({c.n_heads}),
      .dt_bias = fine({c.n_heads}),
      .gated_norm = when(c.gated_norm, fine({c.d_inner()})),
      .out_proj = weight(c.d_model, c.d_inner()),
      .out_proj_bias = when(c.proj_bias, fine({c.d_model})),
  };
  return {.embedding = weight(c.vocab_rows, c.d_model),
          .layers = std::vector<LayerParams<Shape>>(static_cast<std::size_t>(c.n_layer), layer),
          .norm_f = fine({c.d_model}),
          .lm_head = when(!c.tied_head, weight(c.vocab_rows, c.d_model))};
}

}  // namespace adder::model
