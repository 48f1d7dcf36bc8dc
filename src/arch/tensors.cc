#include "arch/tensors.h"

#include <fmt/format.h>

namespace adder::arch {
namespace {

/// A model saved without its language-model head lacks the first part of a name ("backbone."); Mistral puts
/// "model." before mamba_ssm's names.
void add_aliases(TensorField& field) {
  constexpr std::string_view kBackbone = "backbone.";
  if (field.name.starts_with(kBackbone)) field.aliases.push_back(field.name.substr(kBackbone.size()));
  field.aliases.push_back("model." + field.name);
}

/// "a.b.weight" and "z" -> "a.b.z".
std::string stem_of(const std::string& weight, const std::string& part) {
  constexpr std::string_view kWeight = ".weight";
  std::string stem = weight.ends_with(kWeight) ? weight.substr(0, weight.size() - kWeight.size()) : weight;
  return part.empty() ? stem : stem + "." + part;
}

/// Appends the parameter that rows [first, first + rows) of a matrix are, and its scales.
void add_rows(std::vector<Parameter>& out, const TensorField& field, std::size_t index,
              const ParameterLayout& layout, const std::string& part, std::int64_t first, std::int64_t rows) {
  const bool int8 = layout.weight_dtype == DType::s8;
  const std::int64_t multiple = int8 && !part.empty() ? layout.row_multiple : 1;
  const std::int64_t padded = (rows + multiple - 1) / multiple * multiple;
  Parameter p{.name = stem_of(field.name, part) + ".weight",
              .local = stem_of(field.local, part) + ".weight",
              .layer = field.layer,
              .shape = {layout.weight_dtype, {padded, field.dims.at(1)}},
              .field = index,
              .first_row = first,
              .rows = rows};
  out.push_back(p);
  if (!int8) return;
  p.name += "_scale";
  p.local += "_scale";
  p.shape = {DType::f32, {padded}};
  p.scales = true;
  out.push_back(std::move(p));
}

}  // namespace

StateField position_field() {
  return {.kind = StateField::Kind::position,
          .name = "position",
          .local = "position",
          .layer = -1,
          .dtype = DType::s32,
          .row = {},
          .file = {}};
}

std::vector<Parameter> parameters(const std::vector<TensorField>& tensors, const ParameterLayout& layout) {
  std::vector<Parameter> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorField& field = tensors[i];
    if (!field.used) continue;
    if (!field.matrix) {
      out.push_back({.name = field.name,
                     .local = field.local,
                     .layer = field.layer,
                     .shape = {DType::f32, field.dims},
                     .field = i,
                     .first_row = 0,
                     .rows = field.dims.at(0)});
    } else if (field.parts.empty() || !layout.parts) {
      add_rows(out, field, i, layout, "", 0, field.dims.at(0));
    } else {
      std::int64_t first = 0;
      for (const RowRange& part : field.parts) {
        add_rows(out, field, i, layout, part.name, first, part.rows);
        first += part.rows;
      }
    }
  }
  return out;
}

TensorField& TensorList::outside(std::string name, std::string local, std::string gguf, Dims dims) {
  tensors_.push_back({.name = std::move(name),
                      .local = std::move(local),
                      .aliases = {},
                      .gguf = std::move(gguf),
                      .dims = std::move(dims),
                      .parts = {}});
  add_aliases(tensors_.back());
  return tensors_.back();
}

TensorField& TensorList::vector(std::string local, std::string gguf, Dims dims) {
  tensors_.push_back({.name = fmt::format("{}{}.{}", prefix_, layer_, local),
                      .local = std::move(local),
                      .layer = layer_,
                      .aliases = {},
                      .gguf = gguf.empty() ? gguf : fmt::format("blk.{}.{}", layer_, gguf),
                      .dims = std::move(dims),
                      .parts = {}});
  add_aliases(tensors_.back());
  return tensors_.back();
}

TensorField& TensorList::matrix(std::string local, std::string gguf, std::int64_t rows,
                                std::int64_t columns) {
  TensorField& field = vector(std::move(local), std::move(gguf), {rows, columns});
  field.matrix = true;
  return field;
}

}  // namespace adder::arch
