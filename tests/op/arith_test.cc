#include <cmath>
#include <limits>

#include "op_fixture.h"

namespace adder::op {
namespace {

using hlo::Values;
using Arith = OpTest;

const double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST_F(Arith, OperatorsBroadcast) {
  expect(
      {f32({2, 3}, {1, 2, 3, 4, 5, 6}), f32({3}, {10, 20, 30}), f32({2, 1}, {1, 2})},
      [](const Values& a) -> Values {
        return {a[0] + a[1],
                a[0] * a[2],
                a[1] - a[2],
                1.0 / a[0],
                -(a[0] - 1),
                hlo::max(a[0], a[2] + 2),
                hlo::where(hlo::gt(a[0], a[2] * 2), a[0], 0)};
      },
      {f32({2, 3}, {11, 22, 33, 14, 25, 36}), f32({2, 3}, {1, 2, 3, 8, 10, 12}),
       f32({2, 3}, {9, 19, 29, 8, 18, 28}), f32({2, 3}, {1, 0.5, 1. / 3, 0.25, 0.2, 1. / 6}),
       f32({2, 3}, {0, -1, -2, -3, -4, -5}), f32({2, 3}, {3, 3, 3, 4, 5, 6}),
       f32({2, 3}, {0, 0, 3, 0, 5, 6})},
      1e-6);
}

TEST_F(Arith, ReductionsAndShapes) {
  expect(
      {f32({2, 3}, {1, 2, 3, 4, 5, 9})},
      [](const Values& a) -> Values {
        const Values pieces = hlo::split(a[0], {1, 2});
        return {hlo::sum(a[0], -1),
                hlo::loop_sum(a[0], 0),
                hlo::mean(a[0], 1, true),
                hlo::max_over(a[0], 0),
                pieces[0],
                pieces[1],
                hlo::view(a[0], {3, -1}),
                hlo::expand_dims(a[0], -1),
                hlo::broadcast_to(hlo::sum(a[0], 0), {2, 3})};
      },
      {f32({2}, {6, 18}), f32({3}, {5, 7, 12}), f32({2, 1}, {2, 6}), f32({3}, {4, 5, 9}), f32({2, 1}, {1, 4}),
       f32({2, 2}, {2, 3, 5, 9}), f32({3, 2}, {1, 2, 3, 4, 5, 9}), f32({2, 3, 1}, {1, 2, 3, 4, 5, 9}),
       f32({2, 3}, {5, 7, 12, 5, 7, 12})},
      1e-6);
}

TEST_F(Arith, ArgmaxTakesTheLowestIndexAndNeverNaN) {
  expect({f32({5, 4}, {1,    5, 5,    2,    -kInf, -kInf, -kInf, -kInf, kNaN, 3,
                       kNaN, 3, kNaN, kNaN, kNaN,  kNaN,  0,     0,     0,    kInf}),
          s32({3}, {-7, 4, 4})},
         [](const Values& a) -> Values {
           return {hlo::argmax(a[0]), hlo::argmax(a[1])};
         },
         {s32({5}, {1, 0, 1, 0, 3}), s32({}, {1})});
  // Long enough that a device splits the reduction.
  Tensor ties = f32({1, 50000}, std::vector<double>(50000, 0.25));
  ties.values[31234] = ties.values[777] = 2;
  expect_one(
      {ties}, [](const Values& a) { return hlo::argmax(a[0]); }, s32({1}, {777}));
}

TEST_F(Arith, Activations) {
  const std::vector<double> x{-100, -20, -1, 0, 1, 20, 100};
  std::vector<double> silu, softplus;
  for (double v : x) {
    silu.push_back(v / (1 + std::exp(-v)));
    softplus.push_back(v > 50 ? v : std::log1p(std::exp(v)));
  }
  expect(
      {f32({7}, x)},
      [](const Values& a) -> Values {
        return {hlo::silu(a[0]), hlo::softplus(a[0])};
      },
      {f32({7}, silu), f32({7}, softplus)}, 1e-6);
}

TEST_F(Arith, TakeRowsClamps) {
  expect_one(
      {f32({3, 2}, {1, 2, 3, 4, 5, 6}), s32({2, 2}, {2, 0, -5, 99})},
      [](const Values& a) { return hlo::take_rows(a[0], a[1]); }, f32({2, 2, 2}, {5, 6, 1, 2, 1, 2, 5, 6}));
}

}  // namespace
}  // namespace adder::op
