#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/shape.h"
#include "model/config.h"
#include "model/policy.h"

namespace adder::model {

/// A weight matrix, one row for each output.
template <class T>
struct Matrix {
  T weight;                ///< [O,I], f32, bf16 or s8
  std::optional<T> scale;  ///< [O] f32, with s8 only: W[o,i] = weight[o,i] · scale[o]
};

/// Parameters of one layer. One struct, many instantiations: shapes, graph values, device buffers.
/// Tensor names and layouts are mamba_ssm's; visit() order is the argument order of every program.
template <class T>
struct LayerParams {
  T norm;  ///< [D]
  /// [2E+2GN+H, D], rows z, x, B, C, dt; or, with policy.split_in_proj, those without z, then zeros up to
  /// policy.row_multiple, and z apart.
  Matrix<T> in_proj;
  std::optional<Matrix<T>> in_proj_z;  ///< [E,D]
  std::optional<T> in_proj_bias;       ///< [2E+2GN+H]
  T conv_weight;                       ///< [F,1,K]
  std::optional<T> conv_bias;          ///< [F]
  T a;                             ///< [H] A = -exp(A_log), taken while loading, the same for every format
  T d, dt_bias;                    ///< [H]
  std::optional<T> gated_norm;     ///< [E]
  Matrix<T> out_proj;              ///< [D,E]
  std::optional<T> out_proj_bias;  ///< [D]
};

template <class T>
struct Params {
  Matrix<T> embedding;  ///< [V,D]
  std::vector<LayerParams<T>> layers;
  T norm_f;                          ///< [D]
  std::optional<Matrix<T>> lm_head;  ///< [V,D]; absent: the embedding
};

template <class F, class P, class... Q>
void visit_matrix(const std::string& prefix, F&& f, P& p, Q&... q) {
  f(prefix + ".weight", p.weight, q.weight...);
  if (!p.scale) return;
  ((q.scale ? void() : void(q.scale.emplace())), ...);
  f(prefix + ".weight_scale", *p.scale, *q.scale...);
}

/// Calls f(name, p.field, q.field...) for every field present in `p`, walking the structs together; optional
/// fields absent in `q` are default-constructed first. The only list of parameter names: those of the
/// checkpoint, but for the two parts of in_proj (see source_of).
template <class F, class P, class... Q>
void visit_layer(const std::string& prefix, F&& f, P& p, Q&... q) {
  const auto maybe = [&](const char* name, auto& field, auto&... others) {
    if (!field) return;
    ((others ? void() : void(others.emplace())), ...);
    f(prefix + name, *field, *others...);
  };
  f(prefix + "norm.weight", p.norm, q.norm...);
  if (p.in_proj_z) {
    ((q.in_proj_z ? void() : void(q.in_proj_z.emplace())), ...);
    visit_matrix(prefix + "mixer.in_proj.z", f, *p.in_proj_z, *q.in_proj_z...);
  }
  visit_matrix(prefix + (p.in_proj_z ? "mixer.in_proj.xbcdt" : "mixer.in_proj"), f, p.in_proj, q.in_proj...);
  maybe("mixer.in_proj.bias", p.in_proj_bias, q.in_proj_bias...);
  f(prefix + "mixer.conv1d.weight", p.conv_weight, q.conv_weight...);
  maybe("mixer.conv1d.bias", p.conv_bias, q.conv_bias...);
  f(prefix + "mixer.A_log", p.a, q.a...);
  f(prefix + "mixer.D", p.d, q.d...);
  f(prefix + "mixer.dt_bias", p.dt_bias, q.dt_bias...);
  maybe("mixer.norm.weight", p.gated_norm, q.gated_norm...);
  visit_matrix(prefix + "mixer.out_proj", f, p.out_proj, q.out_proj...);
  maybe("mixer.out_proj.bias", p.out_proj_bias, q.out_proj_bias...);
}

template <class F, class P, class... Q>
void visit(F&& f, P& p, Q&... q) {
  (q.layers.resize(p.layers.size()), ...);
  visit_matrix("backbone.embeddings", f, p.embedding, q.embedding...);
  for (std::size_t i = 0; i < p.layers.size(); ++i)
    visit_layer("backbone.layers." + std::to_string(i) + ".", f, p.layers[i], q.layers[i]...);
  f(std::string("backbone.norm_f.weight"), p.norm_f, q.norm_f...);
  if (p.lm_head) {
    ((q.lm_head ? void() : void(q.lm_head.emplace())), ...);
    visit_matrix("lm_head", f, *p.lm_head, *q.lm_head...);
  }
}

/// A struct of U shaped like `p`, each field made by make(name, p.field). U is default-constructible.
template <class U, class T, class Make>
Params<U> transform(const Params<T>& p, Make&& make) {
  Params<U> out;
  visit([&](const std::string& name, const T& from, U& to) { to = make(name, from); }, p, out);
  return out;
}
template <class U, class T, class Make>
LayerParams<U> transform_layer(const LayerParams<T>& p, Make&& make) {
  LayerParams<U> out;
  visit_layer(
      "", [&](const std::string& name, const T& from, U& to) { to = make(name, from); }, p, out);
  return out;
}

/// Where a parameter comes from: rows [first_row, first_row + rows) of a tensor of the checkpoint, by its
/// canonical name; rows of the parameter beyond those are zeros. Tensors that are no matrix are taken whole.
struct ParameterSource {
  std::string tensor;
  std::int64_t first_row = 0, rows = 0;
};
/// `name` as visit() gives it, `shape` its shape.
ParameterSource source_of(const Mamba2Config& config, const std::string& name, const Shape& shape);

/// Shapes of every parameter. `weight_dtype` is how projections, embedding and head are stored on the device
/// (f32, bf16, or s8 with scales); everything else is float32. `policy` says whether in_proj is in parts.
Params<Shape> parameter_shapes(const Mamba2Config& config, DType weight_dtype, const Policy& policy = {});

}  // namespace adder::model
