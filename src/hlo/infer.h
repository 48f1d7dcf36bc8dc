#pragma once

// Shape inference: pure functions from operand shapes and attributes to the result's shape, checked against
// the constraints of the StableHLO specification (their labels are in the comments of the sources). They know
// no graph and no device. A violated constraint throws ShapeError, which names both shapes; OpBuilder adds
// the op and the caller's line.

#include <stdexcept>
#include <string>

#include "hlo/node.h"

namespace adder::hlo {

/// Never leaves this room: OpBuilder turns it into BuildError.
class ShapeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Ops without attributes: unary, binary, select and clamp.
Shape infer_elementwise(OpKind kind, const Shapes& operands);

Shape infer(const ConstantAttributes& a, const Shapes& operands);
Shape infer(const IotaAttributes& a, const Shapes& operands);
Shape infer(const CompareAttributes& a, const Shapes& operands);
Shape infer(const ConvertAttributes& a, const Shapes& operands);
Shape infer(const BitcastAttributes& a, const Shapes& operands);
Shape infer(const BroadcastAttributes& a, const Shapes& operands);
Shape infer(const ReshapeAttributes& a, const Shapes& operands);
Shape infer(const TransposeAttributes& a, const Shapes& operands);
Shape infer(const ReverseAttributes& a, const Shapes& operands);
/// Strides must be filled in.
Shape infer(const SliceAttributes& a, const Shapes& operands);
/// Operands: the tensor, then one scalar index a dimension.
Shape infer(const DynamicSliceAttributes& a, const Shapes& operands);
/// Operands: the tensor, the update, then one scalar index a dimension.
Shape infer(const DynamicUpdateSliceAttributes& a, const Shapes& operands);
Shape infer(const ConcatenateAttributes& a, const Shapes& operands);
/// Interior must be filled in.
Shape infer(const PadAttributes& a, const Shapes& operands);
Shape infer(const GatherAttributes& a, const Shapes& operands);
/// Operands: input, indices, updates.
Shape infer(const ScatterAttributes& a, const Shapes& operands);
Shape infer(const DotAttributes& a, const Shapes& operands);
/// Operands: N tensors and N scalars. One shape; the results differ in dtype only.
Shape infer(const ReduceAttributes& a, const Shapes& operands);
/// Operands: the tensor and a scalar. Strides and padding must be filled in.
Shape infer(const ReduceWindowAttributes& a, const Shapes& operands);
/// Checks that all operands sort together; the results have their shapes.
Shape infer(const SortAttributes& a, const Shapes& operands);
Shape infer(const TopKAttributes& a, const Shapes& operands);
Shape infer(const RngAttributes& a, const Shapes& operands);

/// Numpy broadcasting: dimensions aligned from the last; 1 or missing stretches.
Dims infer_broadcast(const Shape& lhs, const Shape& rhs);

}  // namespace adder::hlo
