#include "model/named.h"

namespace adder::model {

std::optional<Value> Named::find(std::string_view name) const {
  for (const hlo::NamedValue& entry : entries_)
    if (entry.name == name) return entry.value;
  return std::nullopt;
}

Value Named::operator[](std::string_view name) const {
  if (const auto found = find(name)) return *found;
  throw hlo::BuildError("model", "the architecture's description has no " + std::string(name),
                        hlo::Loc::current());
}

std::optional<Matrix<Value>> Named::find_matrix(std::string_view stem) const {
  const std::string name = std::string(stem) + ".weight";
  const auto weight = find(name);
  if (!weight) return std::nullopt;
  return Matrix<Value>{.weight = *weight, .scale = find(name + "_scale")};
}

Matrix<Value> Named::matrix(std::string_view stem) const {
  Matrix<Value> out{.weight = (*this)[std::string(stem) + ".weight"], .scale = {}};
  out.scale = find(std::string(stem) + ".weight_scale");
  return out;
}

}  // namespace adder::model
