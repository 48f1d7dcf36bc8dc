#pragma once

// How an op joins a graph: check the operands, infer the result, append the node. For this room's op files.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hlo/infer.h"
#include "hlo/node.h"

namespace adder::hlo {

/// One op under construction. Throws BuildError, with the op's name and the caller's line, when operands
/// belong to different functions or to a region that is not open, or when the function is finished. Nothing
/// is appended until `one` or `many`, so a failure leaves the graph as it was.
class OpBuilder {
 public:
  using RegionFn = std::function<Values(const Values&)>;

  OpBuilder(OpKind kind, Function& function, Values operands, Loc loc);
  /// The function is that of the first operand; at least one is needed.
  OpBuilder(OpKind kind, Values operands, Loc loc);

  const Shapes& shapes() const { return shapes_; }
  [[noreturn]] void error(std::string message) const;

  /// Runs shape inference, turning its ShapeError into a BuildError.
  template <class F>
  auto checked(F&& inference) const {
    try {
      return inference();
    } catch (const ShapeError& e) {
      error(e.what());
    }
  }
  /// Builds a region by calling `body` with its arguments; values that it returns become the yields. Regions
  /// that may not capture reject values from outside. Returns the shapes of the yields.
  Shapes region(bool may_capture, const Shapes& arguments, const RegionFn& body);

  Value one(Attributes attributes, Shape result);
  Values many(Attributes attributes, Shapes results);

 private:
  void check_usable(const Value& value) const;

  OpKind kind_;
  Function* function_;
  Values operands_;
  Shapes shapes_;
  std::vector<std::unique_ptr<Region>> regions_;
  Loc loc_;
};

/// The common case: one result whose shape `infer(attributes, shapes)` gives.
template <class A>
Value append(OpKind kind, Values operands, A attributes, Loc loc) {
  OpBuilder op(kind, std::move(operands), loc);
  Shape result = op.checked([&] { return infer(attributes, op.shapes()); });
  return op.one(std::move(attributes), std::move(result));
}

}  // namespace adder::hlo
