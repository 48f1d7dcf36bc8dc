#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hlo/module.h"
#include "model/products.h"

namespace adder::model {

/// Values by name, in argument order: the parameters or the state of a layer, under the local names that
/// `arch` gives them.
class Named {
 public:
  void add(std::string name, Value value) { entries_.push_back({std::move(name), value}); }

  std::optional<Value> find(std::string_view name) const;
  /// Throws hlo::BuildError if there is no such value: `arch` and `model` then disagree.
  Value operator[](std::string_view name) const;
  /// STEM.weight and, if there is one, STEM.weight_scale.
  std::optional<Matrix<Value>> find_matrix(std::string_view stem) const;
  Matrix<Value> matrix(std::string_view stem) const;

  const std::vector<hlo::NamedValue>& entries() const { return entries_; }

 private:
  std::vector<hlo::NamedValue> entries_;
};

}  // namespace adder::model
