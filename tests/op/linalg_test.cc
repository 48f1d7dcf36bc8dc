#include <cmath>
#include <limits>

#include "op_fixture.h"

namespace adder::op {
namespace {

using hlo::Comparison;
using hlo::Reduction;
using hlo::Value;
using hlo::Values;
using Linalg = OpTest;

Tensor ramp(DType dtype, Dims dims, double first, double step) {
  Tensor t{{dtype, std::move(dims)}, {}};
  for (std::int64_t i = 0; i < t.shape.elements(); ++i) t.values.push_back(first + step * double(i));
  return t;
}

/// lhs [B,M,K], rhs [B,N,K] -> [B,M,N], in plain loops.
Tensor batched_product(const Tensor& lhs, const Tensor& rhs, DType dtype) {
  const Dims &l = lhs.shape.dims, &r = rhs.shape.dims;
  Tensor result{{dtype, {l[0], l[1], r[1]}}, {}};
  for (std::int64_t b = 0; b < l[0]; ++b)
    for (std::int64_t m = 0; m < l[1]; ++m)
      for (std::int64_t n = 0; n < r[1]; ++n) {
        double total = 0;
        for (std::int64_t k = 0; k < l[2]; ++k)
          total += lhs.values[std::size_t((b * l[1] + m) * l[2] + k)] *
                   rhs.values[std::size_t((b * r[1] + n) * l[2] + k)];
        result.values.push_back(total);
      }
  return result;
}

TEST_F(Linalg, DotGeneralInEveryDtype) {
  struct Case {
    DType operand, result;
  };
  for (auto [operand, result] :
       {Case{DType::f32, DType::f32}, Case{DType::bf16, DType::f32}, Case{DType::s8, DType::s32},
        Case{DType::s32, DType::s32}, Case{DType::f16, DType::f32}}) {
    SCOPED_TRACE(std::string(name(operand)));
    const Tensor lhs = ramp(operand, {2, 3, 4}, -12, 1), rhs = ramp(operand, {2, 5, 4}, 20, -1);
    expect_one(
        {lhs, rhs},
        [&, to = result](const Values& a) {
          return hlo::dot_general(a[0], a[1], {{0}, {0}, {2}, {2}}, {hlo::Precision::HIGHEST, to});
        },
        batched_product(lhs, rhs, result));
  }
}

TEST_F(Linalg, DotGeneralAtEveryPrecision) {
  const Tensor lhs = ramp(DType::f32, {1, 3, 4}, -6, 1), rhs = ramp(DType::f32, {1, 2, 4}, 3, 0.5);
  for (auto precision : {hlo::Precision::DEFAULT, hlo::Precision::HIGH, hlo::Precision::HIGHEST})
    expect_one(
        {lhs, rhs},
        [&](const Values& a) {
          return hlo::dot_general(a[0], a[1], {{0}, {0}, {2}, {2}}, {precision, {}});
        },
        batched_product(lhs, rhs, DType::f32), 1e-2);
}

TEST_F(Linalg, ReduceWithEachReduction) {
  const Tensor x = f32({2, 3}, {3, -1, 2, 0.5, 4, -2});
  expect(
      {x, s32({2, 2}, {12, 10, -1, 6}), i1({2, 2}, {1, 1, 0, 1})},
      [](const Values& a) -> Values {
        return {hlo::reduce(a[0], Reduction::add, {1}),     hlo::reduce(a[0], Reduction::maximum, {1}),
                hlo::reduce(a[0], Reduction::minimum, {0}), hlo::reduce(a[0], Reduction::multiply, {0}),
                hlo::reduce(a[0], Reduction::add, {0, 1}),  hlo::reduce(a[1], Reduction::and_, {1}),
                hlo::reduce(a[1], Reduction::or_, {1}),     hlo::reduce(a[1], Reduction::maximum, {0}),
                hlo::reduce(a[2], Reduction::and_, {1}),    hlo::reduce(a[2], Reduction::or_, {0})};
      },
      {f32({2}, {4, 2.5}), f32({2}, {3, 4}), f32({3}, {0.5, -1, -2}), f32({3}, {1.5, -4, -4}), f32({}, {6.5}),
       s32({2}, {8, 6}), s32({2}, {14, -1}), s32({2}, {12, 10}), i1({2}, {1, 0}), i1({2}, {1, 1})},
      1e-6);
}

TEST_F(Linalg, ReduceTwoOperandsTogether) {
  // Sum and sum of squares in one pass.
  expect(
      {f32({2, 3}, {1, 2, 3, 4, 5, 6})},
      [](const Values& a) {
        const Value zero = hlo::constant(a[0].function(), DType::f32, 0);
        return hlo::reduce({a[0], a[0] * a[0]}, {zero, zero}, {1},
                           [](const Values& l, const Values& r) -> Values {
                             return {l[0] + r[0], l[1] + r[1]};
                           });
      },
      {f32({2}, {6, 15}), f32({2}, {14, 77})}, 1e-6);
}

TEST_F(Linalg, ReduceWindowSumsAndPools) {
  expect(
      {f32({5}, {1, 2, 3, 4, 5})},
      [](const Values& a) -> Values {
        return {hlo::reduce_window(a[0], Reduction::add, {{5}, {}, {4}, {0}}),  // cumulative sum
                hlo::reduce_window(a[0], Reduction::maximum, {{2}, {2}, {}, {}})};
      },
      {f32({5}, {1, 3, 6, 10, 15}), f32({2}, {2, 4})}, 1e-6);
}

TEST_F(Linalg, SortIsStableAndCarriesOperands) {
  expect({f32({2, 4}, {3, 1, 3, 2, 0, 5, 0, 5}), s32({2, 4}, {0, 1, 2, 3, 4, 5, 6, 7})},
         [](const Values& a) {
           return hlo::sort({a[0], a[1]}, 1, true, [](const Values& v) { return hlo::gt(v[0], v[1]); });
         },
         {f32({2, 4}, {3, 3, 2, 1, 5, 5, 0, 0}), s32({2, 4}, {0, 2, 3, 1, 5, 7, 4, 6})});
}

TEST_F(Linalg, TopKPrefersTheLowestIndex) {
  expect({f32({2, 5}, {1, 7, 3, 7, 2, 0, 0, 0, 0, -1})},
         [](const Values& a) -> Values {
           const auto [values, indices] = hlo::top_k(a[0], 3);
           return {values, indices};
         },
         {f32({2, 3}, {7, 7, 3, 0, 0, 0}), s32({2, 3}, {1, 3, 2, 0, 1, 2})});
}

TEST_F(Linalg, RngIsSpecifiedBitForBit) {
  for (auto algorithm : {hlo::RngAlgorithm::THREE_FRY, hlo::RngAlgorithm::PHILOX}) {
    hlo::Module module("rng");
    hlo::Function& main = module.main();
    const Value state = main.argument({DType::u64, {2}});
    const auto [next, bits] = hlo::rng_bit_generator(state, {DType::u32, {64}}, algorithm);
    const auto [last, more] = hlo::rng_bit_generator(next, {DType::u32, {64}}, algorithm);
    main.finish({{"bits", bits}, {"more", more}, {"state", last}});
    std::vector<Tensor> first;
    for (const auto& [path, client] : clients()) {
      SCOPED_TRACE(path);
      const auto out = run(client, module.text(), {tensor(DType::u64, {2}, {42, 7})});
      ASSERT_TRUE(out) << out.error().to_string();
      EXPECT_NE((*out)[0].values, (*out)[1].values);
      double mean = 0;
      for (double v : (*out)[0].values) mean += v / 64 / 4294967296.0;
      EXPECT_NEAR(mean, 0.5, 0.2);
      if (first.empty()) first = *out;
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ((*out)[i].values, first[i].values);
    }
  }
}

}  // namespace
}  // namespace adder::op
