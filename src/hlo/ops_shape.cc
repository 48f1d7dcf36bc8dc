// Ops that move elements: layout, slices, joins, gather and scatter.

#include "hlo/build.h"

namespace adder::hlo {
namespace {

Values joined(Values first, const Values& rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

Value combined(Combine combine, Value present, Value update, Loc loc) {
  switch (combine) {
    case Combine::add:
      return add(present, update, loc);
    case Combine::minimum:
      return minimum(present, update, loc);
    case Combine::maximum:
      return maximum(present, update, loc);
    case Combine::multiply:
      return multiply(present, update, loc);
    case Combine::replace:
      break;
  }
  return update;
}

}  // namespace

Value broadcast_in_dim(Value operand, Dims result_dims, Dims broadcast_dimensions, Loc loc) {
  return append(OpKind::broadcast_in_dim, {operand},
                BroadcastAttributes{std::move(result_dims), std::move(broadcast_dimensions)}, loc);
}
Value reshape(Value operand, Dims dims, Loc loc) {
  return append(OpKind::reshape, {operand}, ReshapeAttributes{std::move(dims)}, loc);
}
Value transpose(Value operand, Dims permutation, Loc loc) {
  return append(OpKind::transpose, {operand}, TransposeAttributes{std::move(permutation)}, loc);
}
Value reverse(Value operand, Dims dimensions, Loc loc) {
  return append(OpKind::reverse, {operand}, ReverseAttributes{std::move(dimensions)}, loc);
}
Value slice(Value operand, Dims start_indices, Dims limit_indices, Dims strides, Loc loc) {
  if (strides.empty()) strides.assign(operand.dims().size(), 1);
  return append(OpKind::slice, {operand},
                SliceAttributes{std::move(start_indices), std::move(limit_indices), std::move(strides)}, loc);
}
Value dynamic_slice(Value operand, const Values& start_indices, Dims slice_sizes, Loc loc) {
  return append(OpKind::dynamic_slice, joined({operand}, start_indices),
                DynamicSliceAttributes{std::move(slice_sizes)}, loc);
}
Value dynamic_update_slice(Value operand, Value update, const Values& start_indices, Loc loc) {
  return append(OpKind::dynamic_update_slice, joined({operand, update}, start_indices),
                DynamicUpdateSliceAttributes{}, loc);
}
Value concatenate(const Values& inputs, std::int64_t dimension, Loc loc) {
  return append(OpKind::concatenate, inputs, ConcatenateAttributes{dimension}, loc);
}
Value pad(Value operand, Value padding_value, Dims edge_low, Dims edge_high, Dims interior, Loc loc) {
  if (interior.empty()) interior.assign(operand.dims().size(), 0);
  return append(OpKind::pad, {operand, padding_value},
                PadAttributes{std::move(edge_low), std::move(edge_high), std::move(interior)}, loc);
}
Value gather(Value operand, Value start_indices, const GatherDims& dims, Dims slice_sizes,
             bool indices_are_sorted, Loc loc) {
  return append(OpKind::gather, {operand, start_indices},
                GatherAttributes{dims, std::move(slice_sizes), indices_are_sorted}, loc);
}

Value scatter(Value input, Value scatter_indices, Value updates, const ScatterDims& dims, Combine combine,
              bool unique_indices, Loc loc) {
  OpBuilder op(OpKind::scatter, {input, scatter_indices, updates}, loc);
  ScatterAttributes attributes{dims, unique_indices};
  Shape result = op.checked([&] { return infer(attributes, op.shapes()); });
  const Shape scalar{input.dtype(), {}};
  op.region(false, {scalar, scalar},
            [&](const Values& v) -> Values { return {combined(combine, v[0], v[1], loc)}; });
  return op.one(std::move(attributes), std::move(result));
}

}  // namespace adder::hlo
