// Contractions, reductions, gather and scatter, sorting. Labels such as (C2) are those of the op's section in
// the StableHLO specification.

#include <algorithm>

#include "hlo/infer_checks.h"

namespace adder::hlo {
namespace {

/// Paired axes have equal sizes.
void check_pairs(const Shape& lhs, const Shape& rhs, const Dims& l, const Dims& r, const char* what) {
  require(l.size() == r.size(), "{} dimensions {} and {} differ in number for {} and {}", what, l, r, lhs,
          rhs);
  for (std::size_t i = 0; i < l.size(); ++i)
    require(lhs.dims[at(l[i])] == rhs.dims[at(r[i])], "{} sizes differ: {} dim {} and {} dim {}", what, lhs,
            l[i], rhs, r[i]);
}

void append_free(Dims& result, const Shape& x, const Dims& batching, const Dims& contracting) {
  for (std::int64_t i = 0; i < x.rank(); ++i)
    if (!contains(batching, i) && !contains(contracting, i)) result.push_back(x.dims[at(i)]);
}

Dims joined(Dims a, const Dims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

DType dot_result(const Shape& lhs, const Shape& rhs, const DotOptions& options) {
  require(lhs.dtype == rhs.dtype, "operands differ in dtype: {} and {}", lhs, rhs);
  require(lhs.dtype != DType::i1, "does not take elements of {}", lhs);
  const DType result = options.result_dtype.value_or(lhs.dtype);
  require(is_float(result) == is_float(lhs.dtype) && byte_size(result) >= byte_size(lhs.dtype),
          "result dtype {} cannot hold products of {} and {}", name(result), lhs, rhs);
  return result;
}

}  // namespace

Shape infer(const DotAttributes& a, const Shapes& operands) {
  const Shape &lhs = operands[0], &rhs = operands[1];
  const DotDims& d = a.dims;
  check_axes(joined(d.lhs_batching, d.lhs_contracting), lhs, "lhs dimensions");  // (C3), (C5), (C6)
  check_axes(joined(d.rhs_batching, d.rhs_contracting), rhs, "rhs dimensions");  // (C4), (C7), (C8)
  check_pairs(lhs, rhs, d.lhs_batching, d.rhs_batching, "batching");             // (C1), (C9)
  check_pairs(lhs, rhs, d.lhs_contracting, d.rhs_contracting, "contracting");    // (C2), (C10)
  Shape result{dot_result(lhs, rhs, a.options), {}};                             // (C12), (C13)
  for (std::int64_t i : d.lhs_batching) result.dims.push_back(lhs.dims[at(i)]);
  append_free(result.dims, lhs, d.lhs_batching, d.lhs_contracting);
  append_free(result.dims, rhs, d.rhs_batching, d.rhs_contracting);
  return result;
}

Shape infer(const ReduceAttributes& a, const Shapes& operands) {
  const std::size_t n = operands.size() / 2;
  require(n > 0 && operands.size() == 2 * n, "{} operands and inits, expected as many of each",
          operands.size());  // (C3)
  const Shape& first = operands[0];
  for (std::size_t i = 0; i < n; ++i) {
    const Shape &x = operands[i], &init = operands[n + i];
    require(x.dims == first.dims, "operands differ: {} and {}", first, x);                             // (C1)
    require(init == Shape{x.dtype, {}}, "init is {}, expected a scalar of the dtype of {}", init, x);  // (C2)
  }
  check_axes(a.dimensions, first, "dimensions");  // (C4), (C5)
  Shape result{first.dtype, {}};
  append_free(result.dims, first, a.dimensions, {});  // (C7)
  return result;
}

Shape infer(const ReduceWindowAttributes& a, const Shapes& operands) {
  const Shape& x = operands[0];
  const WindowDims& w = a.window;
  const std::size_t rank = x.dims.size();
  require(operands[1] == Shape{x.dtype, {}}, "init is {}, expected a scalar of the dtype of {}", operands[1],
          x);
  // (C4), (C6), (C12)
  require(w.window_dimensions.size() == rank && w.window_strides.size() == rank &&
              w.padding_low.size() == rank && w.padding_high.size() == rank,
          "window {}, strides {} and padding {} and {} need one entry a dimension of {}", w.window_dimensions,
          w.window_strides, w.padding_low, w.padding_high, x);
  Shape result{x.dtype, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t window = w.window_dimensions[i], stride = w.window_strides[i];
    require(window > 0 && stride > 0, "window {} and strides {} of {} are not all positive",
            w.window_dimensions, w.window_strides, x);  // (C5), (C7)
    const std::int64_t padded = w.padding_low[i] + x.dims[i] + w.padding_high[i];
    require(padded >= 0, "padding {} and {} leaves less than nothing of {}", w.padding_low, w.padding_high,
            x);
    result.dims.push_back(padded < window ? 0 : (padded - window) / stride + 1);  // (C15)
  }
  return result;
}

Shape infer(const SortAttributes& a, const Shapes& operands) {
  const Shape& first = operands[0];
  check_axis(a.dimension, first, "dimension");  // (C4)
  for (const Shape& x : operands)
    require(x.dims == first.dims, "operands differ: {} and {}", first, x);  // (C3)
  return first;
}

Shape infer(const TopKAttributes& a, const Shapes& operands) {
  Shape result = operands[0];
  require(result.rank() > 0, "needs at least one dimension, got {}", result);
  require(is_float(result.dtype) || is_integer(result.dtype), "does not take elements of {}", result);
  require(0 <= a.k && a.k <= result.dims.back(), "k = {} is not within the last dim of {}", a.k, result);
  result.dims.back() = a.k;
  return result;
}

Shape infer(const RngAttributes& a, const Shapes& operands) {
  const Shape& state = operands[0];
  const bool three_words = state.dims == Dims{3} && a.algorithm != RngAlgorithm::THREE_FRY;
  require(state.dtype == DType::u64 && (state.dims == Dims{2} || three_words),
          "state {} for bits {}, expected u64[2] (or u64[3] for PHILOX)", state, a.shape);
  require(is_unsigned_integer(a.shape.dtype) || is_signed_integer(a.shape.dtype),
          "bits of {} from state {}, expected an integer dtype", a.shape, state);
  check_dims(a.shape);
  return a.shape;
}

namespace {

/// The index vector's length and the other dims of an index tensor.
struct IndexTensor {
  std::int64_t vector_size = 1;
  Dims batch;
};
IndexTensor split_indices(const Shape& indices, std::int64_t index_vector_dim) {
  require(is_integer(indices.dtype), "indices are {}, expected integers", indices);
  // gather (C2), scatter (C22)
  require(0 <= index_vector_dim && index_vector_dim <= indices.rank(),
          "index_vector_dim {} is not within the rank of {}", index_vector_dim, indices);
  IndexTensor result;
  for (std::int64_t i = 0; i < indices.rank(); ++i) {
    if (i == index_vector_dim)
      result.vector_size = indices.dims[at(i)];
    else
      result.batch.push_back(indices.dims[at(i)]);
  }
  return result;
}

/// Batching dimensions, (C13)-(C17) of gather and (C14)-(C18) of scatter: valid, apart from the index
/// vector's, and of equal size.
void check_index_batching(const Shape& x, const Shape& indices, const Dims& x_batching,
                          const Dims& index_batching, std::int64_t index_vector_dim) {
  check_axes(index_batching, indices, "indices' batching dimensions");
  require(!contains(index_batching, index_vector_dim),
          "index_vector_dim {} of {} is also a batching dimension", index_vector_dim, indices);
  check_pairs(x, indices, x_batching, index_batching, "batching");
}

/// Window axes of gather's result or scatter's updates, as a shape to check axes against.
Shape of_rank(const Shape& like, std::int64_t rank) { return {like.dtype, Dims(at(rank), 1)}; }

}  // namespace

Shape infer(const GatherAttributes& a, const Shapes& operands) {
  const Shape &x = operands[0], &indices = operands[1];
  const GatherDims& d = a.dims;
  const IndexTensor index = split_indices(indices, d.index_vector_dim);
  const Dims dropped = joined(d.collapsed_slice_dims, d.operand_batching_dims);
  // (C3)
  require(static_cast<std::int64_t>(d.start_index_map.size()) == index.vector_size,
          "start_index_map {} needs the index vector's size {} for {} and {}", d.start_index_map,
          index.vector_size, x, indices);
  check_axes(dropped, x, "collapsed_slice_dims and operand_batching_dims");  // (C6), (C8), (C11)
  check_sorted(d.collapsed_slice_dims, "collapsed_slice_dims");              // (C7)
  check_sorted(d.operand_batching_dims, "operand_batching_dims");            // (C10)
  check_axes(joined(d.start_index_map, d.operand_batching_dims), x,
             "start_index_map and operand_batching_dims");  // (C18), (C19)
  check_index_batching(x, indices, d.operand_batching_dims, d.start_indices_batching_dims,
                       d.index_vector_dim);
  require(a.slice_sizes.size() == x.dims.size(), "slice_sizes {} for {}, expected one a dimension",
          a.slice_sizes, x);  // (C20)
  Dims window;
  for (std::int64_t i = 0; i < x.rank(); ++i) {
    const std::int64_t size = a.slice_sizes[at(i)];
    require(0 <= size && size <= x.dims[at(i)], "slice_sizes {} leave {}", a.slice_sizes, x);  // (C21)
    if (!contains(dropped, i))
      window.push_back(size);
    else
      require(size <= 1, "slice_sizes {} keep more than one of the dropped dim {} of {}", a.slice_sizes, i,
              x);  // (C9), (C12)
  }
  // (C1)
  require(window.size() == d.offset_dims.size(), "offset_dims {} for {} window dimensions of {}",
          d.offset_dims, window.size(), x);
  const std::int64_t rank = static_cast<std::int64_t>(index.batch.size() + window.size());
  check_axes(d.offset_dims, of_rank(x, rank), "offset_dims");  // (C4), (C5)
  check_sorted(d.offset_dims, "offset_dims");
  Shape result{x.dtype, {}};  // (C22), (C23)
  for (std::int64_t i = 0, w = 0, b = 0; i < rank; ++i)
    result.dims.push_back(contains(d.offset_dims, i) ? window[at(w++)] : index.batch[at(b++)]);
  return result;
}

Shape infer(const ScatterAttributes& a, const Shapes& operands) {
  const Shape &x = operands[0], &indices = operands[1], &updates = operands[2];
  const ScatterDims& d = a.dims;
  const IndexTensor index = split_indices(indices, d.index_vector_dim);
  const Dims dropped = joined(d.inserted_window_dims, d.input_batching_dims);
  require(updates.dtype == x.dtype, "updates {} and input {} differ in dtype", updates, x);  // (C6)
  check_axes(dropped, x, "inserted_window_dims and input_batching_dims");  // (C9), (C11), (C13)
  check_sorted(d.inserted_window_dims, "inserted_window_dims");            // (C10)
  check_sorted(d.input_batching_dims, "input_batching_dims");              // (C12)
  check_axes(joined(d.scatter_dims_to_operand_dims, d.input_batching_dims), x,
             "scatter_dims_to_operand_dims and input_batching_dims");  // (C20), (C21)
  // (C19)
  require(static_cast<std::int64_t>(d.scatter_dims_to_operand_dims.size()) == index.vector_size,
          "scatter_dims_to_operand_dims {} needs the index vector's size {} for {} and {}",
          d.scatter_dims_to_operand_dims, index.vector_size, x, indices);
  check_index_batching(x, indices, d.input_batching_dims, d.scatter_indices_batching_dims,
                       d.index_vector_dim);
  check_axes(d.update_window_dims, updates, "update_window_dims");  // (C7), (C8)
  check_sorted(d.update_window_dims, "update_window_dims");
  // (C2)
  require(d.update_window_dims.size() + dropped.size() == x.dims.size(), "update_window_dims {} for {}",
          d.update_window_dims, x);
  require(updates.dims.size() == index.batch.size() + d.update_window_dims.size(),
          "updates {} for indices {}", updates, indices);
  // (C4): every update window fits the input, every other dim is the indices'.
  Dims window;
  for (std::int64_t i = 0; i < x.rank(); ++i)
    if (!contains(dropped, i)) window.push_back(x.dims[at(i)]);
  for (std::int64_t i = 0, w = 0, b = 0; i < updates.rank(); ++i) {
    const bool fits = contains(d.update_window_dims, i) ? updates.dims[at(i)] <= window[at(w++)]
                                                        : updates.dims[at(i)] == index.batch[at(b++)];
    require(fits, "dim {} of updates {} does not fit input {} and indices {}", i, updates, x, indices);
  }
  return x;
}

}  // namespace adder::hlo
