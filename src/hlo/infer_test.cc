#include "hlo/infer.h"

#include <gmock/gmock.h>

#include <functional>

namespace adder::hlo {
namespace {

using testing::HasSubstr;

/// "f32[2,3]" as a Shape.
Shape shape(std::string_view text) {
  const auto open = text.find('[');
  Shape result{*parse_dtype(text.substr(0, open)), {}};
  std::string digits;
  for (char c : text.substr(open + 1)) {
    if (c != ',' && c != ']')
      digits += c;
    else if (!digits.empty())
      result.dims.push_back(std::stoll(digits)), digits.clear();
  }
  return result;
}
Shapes shapes(std::initializer_list<std::string_view> texts) {
  Shapes result;
  for (std::string_view t : texts) result.push_back(shape(t));
  return result;
}

/// One row of a table: operands, attributes bound into `infer`, and the result or a part of the error.
struct Row {
  std::initializer_list<std::string_view> operands;
  std::function<Shape(const Shapes&)> infer;
  std::string expected;  // starts with "error: " for an error
};

void check(const std::vector<Row>& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE("row " + std::to_string(i) + ": " + rows[i].expected);
    std::string actual;
    try {
      actual = to_string(rows[i].infer(shapes(rows[i].operands)));
    } catch (const ShapeError& e) {
      actual = std::string("error: ") + e.what();
    }
    EXPECT_EQ(actual, rows[i].expected);
  }
}

template <class A>
std::function<Shape(const Shapes&)> with(A attributes) {
  return [attributes](const Shapes& operands) { return infer(attributes, operands); };
}
std::function<Shape(const Shapes&)> with(OpKind kind) {
  return [kind](const Shapes& operands) { return infer_elementwise(kind, operands); };
}

TEST(Infer, Elementwise) {
  check({
      {{"f32[2,3]"}, with(OpKind::exponential), "f32[2,3]"},
      {{"f32[2,3]"}, with(OpKind::is_finite), "i1[2,3]"},
      {{"s32[2]"}, with(OpKind::exponential), "error: does not take elements of s32[2]"},
      {{"f32[2]"}, with(OpKind::not_), "error: does not take elements of f32[2]"},
      {{"u8[2]"}, with(OpKind::abs), "error: does not take elements of u8[2]"},
      {{"i1[2]", "i1[2]"}, with(OpKind::subtract), "error: does not take elements of i1[2]"},
      {{"i1[2]", "i1[2]"}, with(OpKind::maximum), "i1[2]"},
      {{"bf16[2]", "bf16[2]"}, with(OpKind::add), "bf16[2]"},
      {{"f32[2,3]", "f32[3,2]"}, with(OpKind::add), "error: operands differ: f32[2,3] and f32[3,2]"},
      {{"f32[2]", "bf16[2]"}, with(OpKind::add), "error: operands differ: f32[2] and bf16[2]"},
      {{"i1[2]", "f32[2]", "f32[2]"}, with(OpKind::select), "f32[2]"},
      {{"i1[]", "f32[2]", "f32[2]"}, with(OpKind::select), "f32[2]"},
      {{"i1[3]", "f32[2]", "f32[2]"},
       with(OpKind::select),
       "error: predicate i1[3] fits neither a scalar nor f32[2]"},
      {{"s32[2]", "f32[2]", "f32[2]"}, with(OpKind::select), "error: the predicate is s32[2], expected i1"},
      {{"i1[]", "f32[2]", "f32[3]"}, with(OpKind::select), "error: branches differ: f32[2] and f32[3]"},
      {{"f32[]", "f32[2]", "f32[2]"}, with(OpKind::clamp), "f32[2]"},
      {{"f32[]", "f32[2]", "f32[3]"},
       with(OpKind::clamp),
       "error: bound f32[3] fits neither a scalar nor f32[2]"},
      {{"s32[]", "f32[2]", "f32[]"},
       with(OpKind::clamp),
       "error: bound s32[] and operand f32[2] differ in dtype"},
      {{"f32[2]", "f32[2]"}, with(CompareAttributes{}), "i1[2]"},
      {{"f32[2]", "f32[]"}, with(CompareAttributes{}), "error: operands differ: f32[2] and f32[]"},
      {{"f32[2]"}, with(ConvertAttributes{DType::s8}), "s8[2]"},
      {{"f32[2]"}, with(BitcastAttributes{DType::u32}), "u32[2]"},
      {{"f32[2]"}, with(BitcastAttributes{DType::bf16}), "error: f32[2] and bf16 differ in width"},
      {{"u8[2]"}, with(BitcastAttributes{DType::i1}), "error: u8[2] and i1 differ in width"},
  });
}

TEST(Infer, Layout) {
  check({
      {{}, with(IotaAttributes{shape("s32[2,3]"), 1}), "s32[2,3]"},
      {{},
       with(IotaAttributes{shape("s32[2,3]"), 2}),
       "error: iota_dimension 2 is not a dimension of s32[2,3]"},
      {{"f32[3]"}, with(BroadcastAttributes{{2, 3}, {1}}), "f32[2,3]"},
      {{"f32[1,3]"}, with(BroadcastAttributes{{3, 5}, {1, 0}}), "f32[3,5]"},
      {{"f32[3]"},
       with(BroadcastAttributes{{2, 3}, {0}}),
       "error: dim 0 of f32[3] does not fit dim 0 of f32[2,3]"},
      {{"f32[3]"},
       with(BroadcastAttributes{{2, 3}, {}}),
       "error: broadcast_dimensions [] for f32[3], expected one a dimension"},
      {{"f32[3,3]"},
       with(BroadcastAttributes{{3, 3}, {0, 0}}),
       "error: broadcast_dimensions [0,0] names an axis of f32[3,3] twice"},
      {{"f32[2,3]"}, with(ReshapeAttributes{{6}}), "f32[6]"},
      {{"f32[2,3]"}, with(ReshapeAttributes{{5}}), "error: f32[2,3] and f32[5] differ in number of elements"},
      {{"f32[2,3]"}, with(ReshapeAttributes{{-2, -3}}), "error: f32[-2,-3] has a negative size"},
      {{"f32[2,3,4]"}, with(TransposeAttributes{{2, 0, 1}}), "f32[4,2,3]"},
      {{"f32[2,3]"},
       with(TransposeAttributes{{0}}),
       "error: permutation [0] for f32[2,3], expected one axis a dimension"},
      {{"f32[2,3]"},
       with(TransposeAttributes{{0, 0}}),
       "error: permutation [0,0] names an axis of f32[2,3] twice"},
      {{"f32[2,3]"}, with(ReverseAttributes{{2}}), "error: dimensions 2 is not a dimension of f32[2,3]"},
      {{"f32[2,3]", "f32[5,3]"}, with(ConcatenateAttributes{0}), "f32[7,3]"},
      {{"f32[2,3]", "f32[5,4]"},
       with(ConcatenateAttributes{0}),
       "error: operands differ outside of dim 0: f32[2,3] and f32[5,4]"},
      {{"f32[2,3]", "f32[5]"},
       with(ConcatenateAttributes{0}),
       "error: operands differ in rank: f32[2,3] and f32[5]"},
      {{"f32[2,3]", "f32[]"}, with(PadAttributes{{0, 1}, {1, -2}, {2, 0}}), "f32[5,2]"},
      {{"f32[2,3]", "s32[]"},
       with(PadAttributes{{0, 0}, {0, 0}, {0, 0}}),
       "error: padding_value is s32[], expected a scalar of the dtype of f32[2,3]"},
      {{"f32[2,3]", "f32[]"},
       with(PadAttributes{{0, 0}, {0, -4}, {0, 0}}),
       "error: padding [0,0] and [0,-4] leaves less than nothing of f32[2,3]"},
      {{"f32[0]", "f32[]"}, with(PadAttributes{{1}, {0}, {3}}), "f32[1]"},
  });
}

TEST(Infer, Slices) {
  check({
      {{"f32[5,6]"}, with(SliceAttributes{{1, 0}, {4, 6}, {2, 4}}), "f32[2,2]"},
      {{"f32[5]"}, with(SliceAttributes{{3}, {3}, {1}}), "f32[0]"},
      {{"f32[5]"}, with(SliceAttributes{{3}, {6}, {1}}), "error: [3, 6) leaves dim 0 of f32[5]"},
      {{"f32[5]"}, with(SliceAttributes{{3}, {2}, {1}}), "error: [3, 2) leaves dim 0 of f32[5]"},
      {{"f32[5]"},
       with(SliceAttributes{{0}, {2}, {0}}),
       "error: stride 0 of dim 0 of f32[5] is not positive"},
      {{"f32[5,6]", "s32[]", "s32[]"}, with(DynamicSliceAttributes{{1, 6}}), "f32[1,6]"},
      {{"f32[5,6]", "s32[]", "s64[]"},
       with(DynamicSliceAttributes{{1, 6}}),
       "error: start indices differ in dtype: s32[] and s64[]"},
      {{"f32[5,6]", "s32[]"},
       with(DynamicSliceAttributes{{1, 6}}),
       "error: 1 start indices for f32[5,6], expected 2"},
      {{"f32[5]", "f32[]"},
       with(DynamicSliceAttributes{{1}}),
       "error: start index 0 of f32[5] is f32[], expected an integer scalar"},
      {{"f32[5]", "s32[]"}, with(DynamicSliceAttributes{{6}}), "error: slice_sizes [6] leave f32[5]"},
      {{"f32[5]", "f32[2]", "s32[]"}, with(DynamicUpdateSliceAttributes{}), "f32[5]"},
      {{"f32[5]", "f32[6]", "s32[]"},
       with(DynamicUpdateSliceAttributes{}),
       "error: update f32[6] leaves operand f32[5]"},
      {{"f32[5]", "s32[2]", "s32[]"},
       with(DynamicUpdateSliceAttributes{}),
       "error: update s32[2] does not fit operand f32[5]"},
  });
}

TEST(Infer, GatherAndScatter) {
  const GatherDims rows{{1}, {0}, {}, {}, {0}, 1};
  const GatherDims batched{{}, {1}, {0}, {0}, {1}, 1};
  const ScatterDims put{{1}, {0}, {}, {}, {0}, 1};
  check({
      {{"f32[9,4]", "s32[3]"}, with(GatherAttributes{rows, {1, 4}, false}), "f32[3,4]"},
      {{"f32[9,4]", "s32[3]"}, with(GatherAttributes{rows, {1, 2}, false}), "f32[3,2]"},
      {{"f32[9,4]", "s32[3]"},
       with(GatherAttributes{rows, {2, 4}, false}),
       "error: slice_sizes [2,4] keep more than one of the dropped dim 0 of f32[9,4]"},
      {{"f32[9,4]", "s32[3]"},
       with(GatherAttributes{rows, {1, 5}, false}),
       "error: slice_sizes [1,5] leave f32[9,4]"},
      {{"f32[9,4]", "f32[3]"},
       with(GatherAttributes{rows, {1, 4}, false}),
       "error: indices are f32[3], expected integers"},
      {{"f32[9,4]", "s32[3,2]"},
       with(GatherAttributes{rows, {1, 4}, false}),
       "error: start_index_map [0] needs the index vector's size 2 for f32[9,4] and s32[3,2]"},
      {{"f32[2,4]", "s32[2,1]"}, with(GatherAttributes{batched, {1, 1}, false}), "f32[2]"},
      {{"f32[3,4]", "s32[2,1]"},
       with(GatherAttributes{batched, {1, 1}, false}),
       "error: batching sizes differ: f32[3,4] dim 0 and s32[2,1] dim 0"},
      {{"f32[9,4]", "s32[3]", "f32[3,4]"}, with(ScatterAttributes{put, false}), "f32[9,4]"},
      {{"f32[9,4]", "s32[3]", "f32[2,4]"},
       with(ScatterAttributes{put, false}),
       "error: dim 0 of updates f32[2,4] does not fit input f32[9,4] and indices s32[3]"},
      {{"f32[9,4]", "s32[3]", "f32[3,5]"},
       with(ScatterAttributes{put, false}),
       "error: dim 1 of updates f32[3,5] does not fit input f32[9,4] and indices s32[3]"},
      {{"f32[9,4]", "s32[3]", "s32[3,4]"},
       with(ScatterAttributes{put, false}),
       "error: updates s32[3,4] and input f32[9,4] differ in dtype"},
  });
}

TEST(Infer, DotGeneral) {
  const DotDims matrix{{}, {}, {1}, {0}}, batched{{0}, {0}, {2}, {2}};
  check({
      {{"f32[2,3]", "f32[3,5]"}, with(DotAttributes{matrix, {}}), "f32[2,5]"},
      {{"f32[4,2,3]", "f32[4,5,3]"}, with(DotAttributes{batched, {}}), "f32[4,2,5]"},
      {{"s8[2,3]", "s8[3,5]"}, with(DotAttributes{matrix, {Precision::HIGHEST, DType::s32}}), "s32[2,5]"},
      {{"bf16[2,3]", "bf16[3,5]"}, with(DotAttributes{matrix, {Precision::DEFAULT, DType::f32}}), "f32[2,5]"},
      {{"f32[2,3]", "f32[4,5]"},
       with(DotAttributes{matrix, {}}),
       "error: contracting sizes differ: f32[2,3] dim 1 and f32[4,5] dim 0"},
      {{"f32[4,2,3]", "f32[5,5,3]"},
       with(DotAttributes{batched, {}}),
       "error: batching sizes differ: f32[4,2,3] dim 0 and f32[5,5,3] dim 0"},
      {{"f32[2,3]", "f32[3,5]"},
       with(DotAttributes{{{}, {}, {1}, {}}, {}}),
       "error: contracting dimensions [1] and [] differ in number for f32[2,3] and f32[3,5]"},
      {{"f32[2,3]", "f32[3,5]"},
       with(DotAttributes{{{}, {}, {2}, {0}}, {}}),
       "error: lhs dimensions 2 is not a dimension of f32[2,3]"},
      {{"f32[3,3]", "f32[3,3]"},
       with(DotAttributes{{{0}, {0}, {0}, {1}}, {}}),
       "error: lhs dimensions [0,0] names an axis of f32[3,3] twice"},
      {{"f32[2,3]", "bf16[3,5]"},
       with(DotAttributes{matrix, {}}),
       "error: operands differ in dtype: f32[2,3] and bf16[3,5]"},
      {{"f32[2,3]", "f32[3,5]"},
       with(DotAttributes{matrix, {Precision::HIGHEST, DType::bf16}}),
       "error: result dtype bf16 cannot hold products of f32[2,3] and f32[3,5]"},
  });
}

TEST(Infer, ReductionsAndSorting) {
  check({
      {{"f32[2,3,4]", "f32[]"}, with(ReduceAttributes{{0, 2}}), "f32[3]"},
      {{"f32[2,3]", "s32[2,3]", "f32[]", "s32[]"}, with(ReduceAttributes{{1}}), "f32[2]"},
      {{"f32[2,3]", "s32[2,4]", "f32[]", "s32[]"},
       with(ReduceAttributes{{1}}),
       "error: operands differ: f32[2,3] and s32[2,4]"},
      {{"f32[2,3]", "s32[]"},
       with(ReduceAttributes{{1}}),
       "error: init is s32[], expected a scalar of the dtype of f32[2,3]"},
      {{"f32[2,3]", "f32[]"},
       with(ReduceAttributes{{2}}),
       "error: dimensions 2 is not a dimension of f32[2,3]"},
      {{"f32[7]", "f32[]"}, with(ReduceWindowAttributes{{{3}, {2}, {1}, {1}}}), "f32[4]"},
      {{"f32[2]", "f32[]"}, with(ReduceWindowAttributes{{{3}, {1}, {0}, {0}}}), "f32[0]"},
      {{"f32[2]", "f32[]"},
       with(ReduceWindowAttributes{{{0}, {1}, {0}, {0}}}),
       "error: window [0] and strides [1] of f32[2] are not all positive"},
      {{"f32[2,3]", "s32[2,3]"}, with(SortAttributes{1, true}), "f32[2,3]"},
      {{"f32[2,3]", "s32[3]"}, with(SortAttributes{1, true}), "error: operands differ: f32[2,3] and s32[3]"},
      {{"f32[2,9]"}, with(TopKAttributes{4}), "f32[2,4]"},
      {{"f32[2,9]"}, with(TopKAttributes{10}), "error: k = 10 is not within the last dim of f32[2,9]"},
      {{"u64[2]"}, with(RngAttributes{RngAlgorithm::THREE_FRY, shape("u32[5]")}), "u32[5]"},
      {{"u64[3]"}, with(RngAttributes{RngAlgorithm::PHILOX, shape("u32[5]")}), "u32[5]"},
      {{"u64[3]"},
       with(RngAttributes{RngAlgorithm::THREE_FRY, shape("u32[5]")}),
       "error: state u64[3] for bits u32[5], expected u64[2] (or u64[3] for PHILOX)"},
      {{"u64[2]"},
       with(RngAttributes{RngAlgorithm::PHILOX, shape("f32[5]")}),
       "error: bits of f32[5] from state u64[2], expected an integer dtype"},
  });
}

TEST(Infer, Broadcasting) {
  EXPECT_EQ(infer_broadcast(shape("f32[2,1,3]"), shape("f32[4,1]")), (Dims{2, 4, 3}));
  EXPECT_EQ(infer_broadcast(shape("f32[]"), shape("f32[0,2]")), (Dims{0, 2}));
  EXPECT_THAT([] { infer_broadcast(shape("f32[2,3]"), shape("f32[2]")); },
              testing::ThrowsMessage<ShapeError>(HasSubstr("cannot broadcast f32[2,3] with f32[2]")));
}

}  // namespace
}  // namespace adder::hlo
