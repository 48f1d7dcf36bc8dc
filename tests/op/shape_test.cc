#include "op_fixture.h"

namespace adder::op {
namespace {

using hlo::Combine;
using hlo::Values;
using ShapeOps = OpTest;

const Tensor kGrid = f32({2, 3}, {1, 2, 3, 4, 5, 6});

TEST_F(ShapeOps, LayoutOps) {
  expect({kGrid, f32({3}, {7, 8, 9}), f32({2, 1}, {-1, -2})},
         [](const Values& a) -> Values {
           return {hlo::broadcast_in_dim(a[1], {2, 3}, {1}),
                   hlo::broadcast_in_dim(a[2], {2, 3}, {0, 1}),
                   hlo::broadcast_in_dim(a[1], {3, 2}, {0}),
                   hlo::reshape(a[0], {3, 1, 2}),
                   hlo::transpose(a[0], {1, 0}),
                   hlo::reverse(a[0], {1})};
         },
         {f32({2, 3}, {7, 8, 9, 7, 8, 9}), f32({2, 3}, {-1, -1, -1, -2, -2, -2}),
          f32({3, 2}, {7, 7, 8, 8, 9, 9}), f32({3, 1, 2}, {1, 2, 3, 4, 5, 6}),
          f32({3, 2}, {1, 4, 2, 5, 3, 6}), f32({2, 3}, {3, 2, 1, 6, 5, 4})});
}

TEST_F(ShapeOps, SlicesJoinsAndPadding) {
  expect({kGrid, f32({2, 1}, {7, 8}), f32({}, {0.5})},
         [](const Values& a) -> Values {
           return {hlo::slice(a[0], {0, 1}, {2, 3}), hlo::slice(a[0], {1, 0}, {2, 3}, {1, 2}),
                   hlo::concatenate({a[0], a[1], a[0]}, 1), hlo::pad(a[0], a[2], {0, 1}, {1, -1}),
                   hlo::pad(a[1], a[2], {0, 0}, {0, 1}, {1, 0})};
         },
         {f32({2, 2}, {2, 3, 5, 6}), f32({1, 2}, {4, 6}),
          f32({2, 7}, {1, 2, 3, 7, 1, 2, 3, 4, 5, 6, 8, 4, 5, 6}),
          f32({3, 3}, {0.5, 1, 2, 0.5, 4, 5, 0.5, 0.5, 0.5}), f32({3, 2}, {7, 0.5, 0.5, 0.5, 8, 0.5})});
}

TEST_F(ShapeOps, DynamicSlicesClampTheirStart) {
  expect({kGrid, s32({}, {1}), s32({}, {9}), f32({1, 2}, {-1, -2})},
         [](const Values& a) -> Values {
           return {hlo::dynamic_slice(a[0], {a[1], a[1]}, {1, 2}),
                   hlo::dynamic_slice(a[0], {a[1], a[2]}, {1, 2}),
                   hlo::dynamic_update_slice(a[0], a[3], {a[1], a[1]}),
                   hlo::dynamic_update_slice(a[0], a[3], {a[2], a[2]})};
         },
         {f32({1, 2}, {5, 6}), f32({1, 2}, {5, 6}), f32({2, 3}, {1, 2, 3, 4, -1, -2}),
          f32({2, 3}, {1, 2, 3, 4, -1, -2})});
}

TEST_F(ShapeOps, GatherRowsColumnsAndBatches) {
  expect({kGrid, s32({3}, {1, 0, 1}), s32({2, 1}, {2, 0})},
         [](const Values& a) -> Values {
           hlo::GatherDims rows;
           rows.offset_dims = {1};
           rows.collapsed_slice_dims = {0};
           rows.start_index_map = {0};
           rows.index_vector_dim = 1;
           hlo::GatherDims batched;  // one column of each row
           batched.collapsed_slice_dims = {1};
           batched.operand_batching_dims = {0};
           batched.start_indices_batching_dims = {0};
           batched.start_index_map = {1};
           batched.index_vector_dim = 1;
           return {hlo::gather(a[0], a[1], rows, {1, 3}), hlo::gather(a[0], a[2], batched, {1, 1})};
         },
         {f32({3, 3}, {4, 5, 6, 1, 2, 3, 4, 5, 6}), f32({2}, {3, 4})});
}

TEST_F(ShapeOps, ScatterCombines) {
  // Row 1 twice, and row 5, which is out of bounds and dropped.
  const std::vector<Tensor> inputs{kGrid, s32({3}, {1, 1, 5}), f32({3, 3}, {10, 20, 30, -1, 2, 3, 0, 0, 0})};
  hlo::ScatterDims rows;
  rows.update_window_dims = {1};
  rows.inserted_window_dims = {0};
  rows.scatter_dims_to_operand_dims = {0};
  rows.index_vector_dim = 1;
  expect(inputs,
         [&](const Values& a) {
           Values results;
           for (Combine c : {Combine::add, Combine::minimum, Combine::maximum, Combine::multiply})
             results.push_back(hlo::scatter(a[0], a[1], a[2], rows, c));
           return results;
         },
         {f32({2, 3}, {1, 2, 3, 13, 27, 39}), f32({2, 3}, {1, 2, 3, -1, 2, 3}),
          f32({2, 3}, {1, 2, 3, 10, 20, 30}), f32({2, 3}, {1, 2, 3, -40, 200, 540})});
}

TEST_F(ShapeOps, ScatterReplacesBatched) {
  hlo::ScatterDims dims;  // one element of each row
  dims.inserted_window_dims = {1};
  dims.input_batching_dims = {0};
  dims.scatter_indices_batching_dims = {0};
  dims.scatter_dims_to_operand_dims = {1};
  dims.index_vector_dim = 1;
  expect_one(
      {kGrid, s32({2, 1}, {2, 0}), f32({2}, {-1, -2})},
      [&](const Values& a) { return hlo::scatter(a[0], a[1], a[2], dims, Combine::replace, true); },
      f32({2, 3}, {1, 2, -1, -2, 5, 6}));
}

}  // namespace
}  // namespace adder::op
