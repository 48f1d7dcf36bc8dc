// Elementwise ops and shape ops. Labels such as (C2) are those of the op's section in the StableHLO
// specification.

#include "hlo/infer.h"

#include <algorithm>

#include "hlo/infer_checks.h"

namespace adder::hlo {

Shape infer_elementwise(OpKind kind, const Shapes& operands) {
  const std::string op(info(kind).name);
  if (kind == OpKind::select) {
    const Shape &pred = operands[0], &on_true = operands[1];
    require(pred.dtype == DType::i1, "the predicate is {}, expected i1", pred);
    // (C1), (C2)
    require(on_true == operands[2], "branches differ: {} and {}", on_true, operands[2]);
    require(pred.dims.empty() || pred.dims == on_true.dims, "predicate {} fits neither a scalar nor {}", pred,
            on_true);
    return on_true;
  }
  if (kind == OpKind::clamp) {
    const Shape& operand = operands[1];
    for (const Shape& bound : {operands[0], operands[2]}) {
      // (C1), (C2), (C3)
      require(bound.dtype == operand.dtype, "bound {} and operand {} differ in dtype", bound, operand);
      require(bound.dims.empty() || bound.dims == operand.dims, "bound {} fits neither a scalar nor {}",
              bound, operand);
    }
    return operand;
  }
  const Shape& first = operands[0];
  for (const Shape& other : operands) require(other == first, "operands differ: {} and {}", first, other);
  require(accepts(info(kind).accepts, first.dtype), "does not take elements of {}", first);
  if (kind == OpKind::is_finite) return {DType::i1, first.dims};
  return first;
}

Shape infer(const ConstantAttributes& a, const Shapes&) {
  check_dims(a.shape);
  const std::int64_t expected = (a.splat ? 1 : a.shape.elements()) * byte_size(a.shape.dtype);
  require(static_cast<std::int64_t>(a.bytes.size()) == expected, "{} bytes of values for {}, which takes {}",
          a.bytes.size(), a.shape, expected);
  return a.shape;
}

Shape infer(const IotaAttributes& a, const Shapes&) {
  check_dims(a.shape);
  require(a.shape.dtype != DType::i1, "does not make elements of {}", a.shape);
  check_axis(a.iota_dimension, a.shape, "iota_dimension");  // (C1)
  return a.shape;
}

Shape infer(const CompareAttributes&, const Shapes& operands) {
  // (C1), (C2)
  require(operands[0] == operands[1], "operands differ: {} and {}", operands[0], operands[1]);
  return {DType::i1, operands[0].dims};
}

Shape infer(const ConvertAttributes& a, const Shapes& operands) { return {a.to, operands[0].dims}; }

Shape infer(const BitcastAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  require(byte_size(a.to) == byte_size(x.dtype) && (a.to == DType::i1) == (x.dtype == DType::i1),
          "{} and {} differ in width", x, name(a.to));
  return {a.to, x.dims};
}

Shape infer(const BroadcastAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  const Shape result{x.dtype, a.result_dims};
  check_dims(result);
  // (C2)
  require(a.broadcast_dimensions.size() == x.dims.size(),
          "broadcast_dimensions {} for {}, expected one a dimension", a.broadcast_dimensions, x);
  check_axes(a.broadcast_dimensions, result, "broadcast_dimensions");  // (C3), (C4)
  for (std::size_t i = 0; i < x.dims.size(); ++i) {
    const std::int64_t to = a.broadcast_dimensions[i];
    // (C5)
    require(x.dims[i] == 1 || x.dims[i] == result.dims[at(to)], "dim {} of {} does not fit dim {} of {}", i,
            x, to, result);
  }
  return result;
}

Shape infer(const ReshapeAttributes& a, const Shapes& operands) {
  const Shape result{operands[0].dtype, a.dims};
  check_dims(result);
  // (C2)
  require(result.elements() == operands[0].elements(), "{} and {} differ in number of elements", operands[0],
          result);
  return result;
}

Shape infer(const TransposeAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  // (C2)
  require(a.permutation.size() == x.dims.size(), "permutation {} for {}, expected one axis a dimension",
          a.permutation, x);
  check_axes(a.permutation, x, "permutation");
  Shape result{x.dtype, {}};
  for (std::int64_t axis : a.permutation) result.dims.push_back(x.dims[at(axis)]);
  return result;
}

Shape infer(const ReverseAttributes& a, const Shapes& operands) {
  check_axes(a.dimensions, operands[0], "dimensions");  // (C2), (C3)
  return operands[0];
}

Shape infer(const SliceAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  const std::size_t rank = x.dims.size();
  // (C2)
  require(a.start_indices.size() == rank && a.limit_indices.size() == rank && a.strides.size() == rank,
          "start {}, limit {} and strides {} need one entry a dimension of {}", a.start_indices,
          a.limit_indices, a.strides, x);
  Shape result{x.dtype, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t start = a.start_indices[i], limit = a.limit_indices[i], stride = a.strides[i];
    // (C3)
    require(0 <= start && start <= limit && limit <= x.dims[i], "[{}, {}) leaves dim {} of {}", start, limit,
            i, x);
    require(stride > 0, "stride {} of dim {} of {} is not positive", stride, i, x);  // (C4)
    result.dims.push_back((limit - start + stride - 1) / stride);                    // (C5)
  }
  return result;
}

namespace {

/// (C2)-(C3) of dynamic_slice, (C4)-(C5) of dynamic_update_slice: one scalar integer index a dimension.
void check_start_indices(const Shapes& operands, std::size_t first, const Shape& x) {
  const std::size_t count = operands.size() - first;
  require(count == x.dims.size(), "{} start indices for {}, expected {}", count, x, x.rank());
  for (std::size_t i = first; i < operands.size(); ++i) {
    require(operands[i].dims.empty() && is_integer(operands[i].dtype),
            "start index {} of {} is {}, expected an integer scalar", i - first, x, operands[i]);
    require(operands[i] == operands[first], "start indices differ in dtype: {} and {}", operands[first],
            operands[i]);
  }
}

}  // namespace

Shape infer(const DynamicSliceAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  check_start_indices(operands, 1, x);
  require(a.slice_sizes.size() == x.dims.size(), "slice_sizes {} for {}", a.slice_sizes, x);  // (C2)
  for (std::size_t i = 0; i < x.dims.size(); ++i)
    require(0 <= a.slice_sizes[i] && a.slice_sizes[i] <= x.dims[i], "slice_sizes {} leave {}", a.slice_sizes,
            x);  // (C4)
  return {x.dtype, a.slice_sizes};
}

Shape infer(const DynamicUpdateSliceAttributes&, const Shapes& operands) {
  const Shape &x = operands[0], &update = operands[1];
  check_start_indices(operands, 2, x);
  require(update.dtype == x.dtype && update.rank() == x.rank(), "update {} does not fit operand {}", update,
          x);  // (C2), (C3)
  for (std::size_t i = 0; i < x.dims.size(); ++i)
    require(update.dims[i] <= x.dims[i], "update {} leaves operand {}", update, x);  // (C6)
  return x;
}

Shape infer(const ConcatenateAttributes& a, const Shapes& operands) {
  const Shape& first = operands[0];
  check_axis(a.dimension, first, "dimension");  // (C4)
  Shape result = first;
  result.dims[at(a.dimension)] = 0;
  for (const Shape& x : operands) {
    Shape expected = first;
    require(x.rank() == first.rank(), "operands differ in rank: {} and {}", first, x);
    expected.dims[at(a.dimension)] = x.dims[at(a.dimension)];
    require(x == expected, "operands differ outside of dim {}: {} and {}", a.dimension, first,
            x);  // (C1), (C2)
    result.dims[at(a.dimension)] += x.dims[at(a.dimension)];
  }
  return result;
}

Shape infer(const PadAttributes& a, const Shapes& operands) {
  const Shape &x = operands[0], &value = operands[1];
  require(value == Shape{x.dtype, {}}, "padding_value is {}, expected a scalar of the dtype of {}", value, x);
  const std::size_t rank = x.dims.size();
  // (C2)
  require(a.edge_low.size() == rank && a.edge_high.size() == rank && a.interior.size() == rank,
          "edge_low {}, edge_high {} and interior {} need one entry a dimension of {}", a.edge_low,
          a.edge_high, a.interior, x);
  Shape result{x.dtype, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    require(a.interior[i] >= 0, "interior padding {} of {} is negative", a.interior, x);  // (C3)
    const std::int64_t gaps = std::max<std::int64_t>(x.dims[i] - 1, 0) * a.interior[i];
    result.dims.push_back(a.edge_low[i] + x.dims[i] + gaps + a.edge_high[i]);  // (C4)
    require(result.dims[i] >= 0, "padding {} and {} leaves less than nothing of {}", a.edge_low, a.edge_high,
            x);
  }
  return result;
}

Dims infer_broadcast(const Shape& lhs, const Shape& rhs) {
  const std::size_t rank = std::max(lhs.dims.size(), rhs.dims.size());
  auto size = [rank](const Dims& dims, std::size_t i) {
    const std::size_t missing = rank - dims.size();
    return i < missing ? std::int64_t{1} : dims[i - missing];
  };
  Dims result;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t l = size(lhs.dims, i), r = size(rhs.dims, i);
    require(l == r || l == 1 || r == 1, "cannot broadcast {} with {}", lhs, rhs);
    result.push_back(l == 1 ? r : l);
  }
  return result;
}

}  // namespace adder::hlo
