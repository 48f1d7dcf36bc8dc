#include "model/parameters.h"

namespace adder::model {

Params<Shape> parameter_shapes(const Mamba2Config& c, DType weight_dtype, const Policy& policy) {
  const bool int8 = weight_dtype == DType::s8;
  const auto weight = [&](std::int64_t rows, std::int64_t columns) {
    return Matrix<Shape>{.weight = {weight_dtype, {rows, columns}},
                         .scale = int8 ? std::optional<Shape>({DType::f32, {rows}}) : std::nullopt};
  };
  const std::int64_t xbcdt = c.conv_dim() + c.n_heads, multiple = int8 ? policy.row_multiple : 1;
  const auto fine = [](Dims dims) { return Shape{DType::f32, std::move(dims)}; };
  const auto when = [](bool present, auto value) {
    return present ? std::optional(std::move(value)) : std::nullopt;
  };
  const LayerParams<Shape> layer{
      .norm = fine({c.d_model}),
      .in_proj = policy.split_in_proj ? weight((xbcdt + multiple - 1) / multiple * multiple, c.d_model)
                                      : weight(c.in_proj_dim(), c.d_model),
      .in_proj_z = when(policy.split_in_proj, weight(c.d_inner(), c.d_model)),
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

ParameterSource source_of(const Mamba2Config& c, const std::string& name, const Shape& shape) {
  ParameterSource out{.tensor = name, .first_row = 0, .rows = shape.dims.front()};
  if (out.tensor.ends_with(".weight_scale"))
    out.tensor.resize(out.tensor.size() - std::string("_scale").size());
  const auto part = [&](const std::string& field, std::int64_t first, std::int64_t rows) {
    const std::size_t at = out.tensor.find(field);
    if (at == std::string::npos) return;
    out.tensor.erase(at, field.size());
    out.first_row = first;
    out.rows = rows;
  };
  part(".z", 0, c.d_inner());
  part(".xbcdt", c.d_inner(), c.conv_dim() + c.n_heads);
  return out;
}

}  // namespace adder::model
