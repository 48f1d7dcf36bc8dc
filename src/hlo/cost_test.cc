#include "hlo/cost.h"

#include <gtest/gtest.h>

#include "hlo/arith.h"

namespace adder::hlo {
namespace {

const Shape kRow{DType::f32, {1, 8}};     // 32 bytes
const Shape kSquare{DType::f32, {8, 8}};  // 256 bytes
const DotDims kMatrix{{}, {}, {1}, {0}};

TEST(CostTest, DotsAndElementwiseOps) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument({DType::bf16, {4, 2, 3}}), y = f.argument({DType::bf16, {4, 3, 5}});
  const Value z = dot_general(x, y, {{0}, {0}, {2}, {1}}, {Precision::HIGHEST, DType::f32});  // [4,2,5]
  const Value r = reduce(exponential(z), Reduction::add, {2});
  f.finish({{"r", select(gt(r, 0), r, r)}});
  const Cost cost = m.cost();
  EXPECT_EQ(cost.dot_flops, 2 * 4 * 2 * 5 * 3);
  EXPECT_EQ(cost.elementwise_flops, 40 + 40);  // exponential, and one an input of reduce
  EXPECT_EQ(cost.bytes, 2 * 4 * 2 * 3 + 2 * 4 * 3 * 5 + 4 * 4 * 2);
}

TEST(CostTest, FunctionsInLoopsCountEachTime) {
  Module m("m");
  Function& layer = m.add_function("layer");
  {
    const Value x = layer.argument(kRow), w = layer.argument(kSquare);
    layer.finish({{"y", tanh(dot_general(x, w, kMatrix))}});
  }
  Function& f = m.main();
  const Value x = f.argument(kRow, {"x", "y"}), w0 = f.argument(kSquare), w1 = f.argument(kSquare);
  const Values y = fori(f, 10, {x}, [&](Value, const Values& v) {
    return call(layer, {call(layer, {v[0], w0})[0], w1});
  });
  f.finish({{"y", y[0]}});
  const Cost cost = m.cost();
  EXPECT_EQ(cost.dot_flops, 10 * 2 * (2 * 8 * 8));
  EXPECT_EQ(cost.elementwise_flops, 10 * (2 * 8 + 1));  // and the counter
  // Both weights and the carried row in and out, each iteration; the counter is 4 bytes.
  EXPECT_EQ(cost.bytes, 10 * (2 * 256 + 2 * 32 + 2 * 4));
}

TEST(CostTest, ReadsOncePerRunOfALoopBody) {
  Module m("m");
  Function& f = m.main();
  const Value w = f.argument(kSquare);
  const Value x = f.argument(kRow);
  const Values y = fori(f, 3, {x, w}, [&](Value, const Values& v) -> Values {
    const Value once = dot_general(v[0], w, kMatrix);
    return {dot_general(once, v[1], kMatrix), v[1]};  // v[1] is w, carried unchanged
  });
  f.finish({{"y", y[0]}});
  EXPECT_EQ(m.cost().bytes, 3 * (256 + 2 * 32 + 2 * 4));
  EXPECT_EQ(m.cost().dot_flops, 3 * 2 * 128);
}

TEST(CostTest, OtherLoopsCountOnceAndNestedOnesMultiply) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument(kRow), w = f.argument(kSquare);
  const Values once = while_(
      {x}, [&](const Values& v) { return reshape(lt(max_over(v[0], -1), 9), {}); },
      [&](const Values& v) -> Values { return {dot_general(v[0], w, kMatrix)}; });
  const Values nested = fori(f, 3, once, [&](Value, const Values& outer) {
    return fori(f, 4, outer,
                [&](Value, const Values& inner) -> Values { return {dot_general(inner[0], w, kMatrix)}; });
  });
  f.finish({{"y", nested[0]}});
  EXPECT_EQ(m.cost().dot_flops, (1 + 12) * 128);
}

TEST(CostTest, SlicesTouchOnlyTheirPart) {
  Module m("m");
  Function& f = m.main();
  const Value table = f.argument({DType::f32, {1000, 8}}), ids = f.argument({DType::s32, {2}});
  const Value log = f.argument({DType::f32, {64, 8}}, {"log", "log"});
  const Values out = fori(f, 5, {log}, [&](Value i, const Values& v) -> Values {
    const Value row = slice_axis(take_rows(table, ids), 0, 0, 1);
    return {dynamic_update_slice(v[0], row, {i, constant_int(f, DType::s32, 0)})};
  });
  f.finish({{"log", out[0]}});
  // Each iteration: two gathered rows, the ids, one row of the log (as if read and written), the counter.
  EXPECT_EQ(m.cost().bytes, 5 * (2 * 32 + 2 * 4 + 2 * 32 + 2 * 4));
}

TEST(CostTest, UnusedArgumentsAreFree) {
  Module m("m");
  Function& f = m.main();
  f.argument(kSquare);
  const Value x = f.argument(kRow);
  f.finish({{"y", x + x}});
  EXPECT_EQ(m.cost().bytes, 32 + 32);
  EXPECT_EQ(m.cost().elementwise_flops, 8);
  Cost sum = m.cost();
  sum += m.cost();
  EXPECT_EQ(sum.bytes, 128);
  EXPECT_EQ(sum.elementwise_flops, 16);
}

}  // namespace
}  // namespace adder::hlo
