#include <cmath>
#include <limits>

#include "op_fixture.h"

namespace adder::op {
namespace {

using hlo::Comparison;
using hlo::Loc;
using hlo::Value;
using hlo::Values;
using Elementwise = OpTest;

const double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST_F(Elementwise, UnaryFloat) {
  struct Case {
    Value (*op)(Value, Loc);
    double (*reference)(double);
  };
  const std::vector<Case> cases{
      {hlo::abs, [](double x) { return std::fabs(x); }},
      {hlo::ceil, [](double x) { return std::ceil(x); }},
      {hlo::cosine, [](double x) { return std::cos(x); }},
      {hlo::exponential, [](double x) { return std::exp(x); }},
      {hlo::exponential_minus_one, [](double x) { return std::expm1(x); }},
      {hlo::floor, [](double x) { return std::floor(x); }},
      {hlo::log, [](double x) { return std::log(x); }},
      {hlo::log_plus_one, [](double x) { return std::log1p(x); }},
      {hlo::logistic, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {hlo::negate, [](double x) { return -x; }},
      {hlo::round_nearest_even, [](double x) { return std::nearbyint(x); }},
      {hlo::rsqrt, [](double x) { return 1 / std::sqrt(x); }},
      {hlo::sign, [](double x) { return double(x > 0) - double(x < 0); }},
      {hlo::sine, [](double x) { return std::sin(x); }},
      {hlo::sqrt, [](double x) { return std::sqrt(x); }},
      {hlo::tanh, [](double x) { return std::tanh(x); }},
  };
  const Tensor x = f32({2, 3}, {-0.75, 0.125, 0.5, 1.5, 2.5, 9});
  std::vector<Tensor> expected;
  for (const Case& c : cases) {
    expected.push_back(x);
    for (double& v : expected.back().values) v = c.reference(v);
  }
  expect(
      {x},
      [&](const Values& a) {
        Values results;
        for (const Case& c : cases) results.push_back(c.op(a[0], Loc::current()));
        return results;
      },
      expected, 1e-5);
}

TEST_F(Elementwise, BinaryFloat) {
  struct Case {
    Value (*op)(Value, Value, Loc);
    double (*reference)(double, double);
  };
  const std::vector<Case> cases{
      {hlo::add, [](double x, double y) { return x + y; }},
      {hlo::atan2, [](double x, double y) { return std::atan2(x, y); }},
      {hlo::divide, [](double x, double y) { return x / y; }},
      {hlo::maximum, [](double x, double y) { return std::max(x, y); }},
      {hlo::minimum, [](double x, double y) { return std::min(x, y); }},
      {hlo::multiply, [](double x, double y) { return x * y; }},
      {hlo::power, [](double x, double y) { return std::pow(x, y); }},
      {hlo::remainder, [](double x, double y) { return std::fmod(x, y); }},
      {hlo::subtract, [](double x, double y) { return x - y; }},
  };
  const Tensor x = f32({4}, {-7.5, 0.5, 3, 8}), y = f32({4}, {2, -1, 3, 0.25});
  std::vector<Tensor> expected;
  for (const Case& c : cases) {
    expected.push_back(x);
    for (std::size_t i = 0; i < 4; ++i) expected.back().values[i] = c.reference(x.values[i], y.values[i]);
  }
  expect(
      {x, y},
      [&](const Values& a) {
        Values results;
        for (const Case& c : cases) results.push_back(c.op(a[0], a[1], Loc::current()));
        return results;
      },
      expected, 1e-5);
}

TEST_F(Elementwise, Integers) {
  expect({s32({4}, {-9, 12, 7, -1}), s32({4}, {2, 5, 3, 1})},
         [](const Values& a) -> Values {
           return {hlo::add(a[0], a[1]),
                   hlo::divide(a[0], a[1]),
                   hlo::remainder(a[0], a[1]),
                   hlo::multiply(a[0], a[1]),
                   hlo::and_(a[0], a[1]),
                   hlo::or_(a[0], a[1]),
                   hlo::xor_(a[0], a[1]),
                   hlo::not_(a[0]),
                   hlo::shift_left(a[0], a[1]),
                   hlo::shift_right_arithmetic(a[0], a[1]),
                   hlo::shift_right_logical(a[0], a[1]),
                   hlo::negate(a[0]),
                   hlo::sign(a[0]),
                   hlo::abs(a[0])};
         },
         {s32({4}, {-7, 17, 10, 0}), s32({4}, {-4, 2, 2, -1}), s32({4}, {-1, 2, 1, 0}),
          s32({4}, {-18, 60, 21, -1}), s32({4}, {2, 4, 3, 1}), s32({4}, {-9, 13, 7, -1}),
          s32({4}, {-11, 9, 4, -2}), s32({4}, {8, -13, -8, 0}), s32({4}, {-36, 384, 56, -2}),
          s32({4}, {-3, 0, 0, -1}), s32({4}, {1073741821, 0, 0, 2147483647}), s32({4}, {9, -12, -7, 1}),
          s32({4}, {-1, 1, 1, -1}), s32({4}, {9, 12, 7, 1})});
}

TEST_F(Elementwise, Booleans) {
  expect({i1({4}, {0, 0, 1, 1}), i1({4}, {0, 1, 0, 1})},
         [](const Values& a) -> Values {
           return {hlo::and_(a[0], a[1]), hlo::or_(a[0], a[1]), hlo::xor_(a[0], a[1]), hlo::not_(a[0]),
                   hlo::eq(a[0], a[1])};
         },
         {i1({4}, {0, 0, 0, 1}), i1({4}, {0, 1, 1, 1}), i1({4}, {0, 1, 1, 0}), i1({4}, {1, 1, 0, 0}),
          i1({4}, {1, 0, 0, 1})});
}

TEST_F(Elementwise, CompareFollowsTheDtype) {
  const Tensor expected[] = {i1({3}, {0, 1, 0}), i1({3}, {1, 0, 1}), i1({3}, {1, 1, 0}),
                             i1({3}, {1, 0, 0}), i1({3}, {0, 1, 1}), i1({3}, {0, 0, 1})};
  auto all = [](const Values& a) {
    Values results;
    for (auto d :
         {Comparison::EQ, Comparison::NE, Comparison::GE, Comparison::GT, Comparison::LE, Comparison::LT})
      results.push_back(hlo::compare(a[0], a[1], d));
    return results;
  };
  for (DType dtype : {DType::f32, DType::bf16, DType::s32, DType::u32, DType::u8, DType::s64})
    expect({tensor(dtype, {3}, {9, 4, 2}), tensor(dtype, {3}, {3, 4, 6})}, all,
           std::vector<Tensor>(std::begin(expected), std::end(expected)));
  // As signed, 200 would be negative.
  expect_one(
      {tensor(DType::u8, {1}, {200}), tensor(DType::u8, {1}, {100})},
      [](const Values& a) { return hlo::gt(a[0], a[1]); }, i1({1}, {1}));
}

TEST_F(Elementwise, FiniteAndNotANumber) {
  expect({f32({4}, {1, kInf, -kInf, kNaN})},
         [](const Values& a) -> Values {
           return {hlo::is_finite(a[0]), hlo::eq(a[0], a[0]), hlo::max(a[0], 0)};
         },
         {i1({4}, {1, 0, 0, 0}), i1({4}, {1, 1, 1, 0}), f32({4}, {1, kInf, 0, kNaN})});
}

TEST_F(Elementwise, SelectAndClamp) {
  expect(
      {i1({3}, {1, 0, 1}), i1({}, {0}), f32({3}, {1, 2, 3}), f32({3}, {-1, -2, -3}), f32({}, {1.5}),
       f32({}, {2.5})},
      [](const Values& a) -> Values {
        return {hlo::select(a[0], a[2], a[3]), hlo::select(a[1], a[2], a[3]), hlo::clamp(a[4], a[2], a[5])};
      },
      {f32({3}, {1, -2, 3}), f32({3}, {-1, -2, -3}), f32({3}, {1.5, 2, 2.5})});
}

TEST_F(Elementwise, ConvertBetweenAllDtypes) {
  const std::vector<DType> dtypes{DType::i1,  DType::s8,  DType::s32, DType::s64,  DType::u8,
                                  DType::u32, DType::u64, DType::f16, DType::bf16, DType::f32};
  std::vector<Tensor> inputs, expected;
  for (DType from : dtypes) {
    inputs.push_back(tensor(from, {2}, {0, 1}));
    for (DType to : dtypes) expected.push_back(tensor(to, {2}, {0, 1}));
  }
  auto convert_all = [&](const Values& a) {
    Values results;
    for (const Value& from : a)
      for (DType to : dtypes) results.push_back(hlo::convert(from, to));
    return results;
  };
  expect(inputs, convert_all, expected);
  expect(
      {f32({3}, {-2.75, 3.5, 100})},
      [](const Values& a) -> Values {
        return {hlo::convert(a[0], DType::s32), hlo::convert(a[0], DType::i1), hlo::convert(a[0], DType::s8)};
      },
      {s32({3}, {-2, 3, 100}), i1({3}, {1, 1, 1}), tensor(DType::s8, {3}, {-2, 3, 100})});
}

TEST_F(Elementwise, BitcastKeepsTheBits) {
  expect({f32({2}, {1, -2}), s32({1}, {1065353216})},
         [](const Values& a) -> Values {
           return {hlo::bitcast_convert(a[0], DType::u32), hlo::bitcast_convert(a[1], DType::f32)};
         },
         {tensor(DType::u32, {2}, {0x3F800000, 0xC0000000}), f32({1}, {1})});
}

TEST_F(Elementwise, ConstantsArriveExactly) {
  const std::vector<double> values{0.1,  -1,    1e-30, 3e38,     1.17549435e-38,
                                   kInf, -kInf, kNaN,  16777217, 1.0 / 3};
  for (DType dtype : {DType::f32, DType::f64}) {
    std::vector<Tensor> expected;
    for (double v : values)
      expected.push_back(tensor(dtype, {2}, std::vector<double>(2, dtype == DType::f32 ? float(v) : v)));
    expect(
        {f32({}, {0})},
        [&](const Values& a) {
          Values results;
          for (double v : values) results.push_back(hlo::constant(a[0].function(), dtype, v, {2}));
          return results;
        },
        expected);
  }
  const double third_bf16 = 0.333984375, third_f16 = 0.333251953125;
  expect({f32({}, {0})},
         [](const Values& a) -> Values {
           hlo::Function& f = a[0].function();
           return {hlo::constant(f, DType::bf16, 1.0 / 3),
                   hlo::constant(f, DType::f16, 1.0 / 3),
                   hlo::constant(f, DType::bf16, -kInf),
                   hlo::constant(f, DType::f16, kNaN),
                   hlo::constant(f, DType::i1, 1),
                   hlo::constant(f, DType::u8, 255),
                   hlo::constant(f, DType::s8, -128),
                   hlo::constant_int(f, DType::s64, -4611686018427387904),
                   hlo::constant_int(f, DType::u64, std::numeric_limits<std::int64_t>::min())};
         },
         {tensor(DType::bf16, {}, {third_bf16}), tensor(DType::f16, {}, {third_f16}),
          tensor(DType::bf16, {}, {-kInf}), tensor(DType::f16, {}, {kNaN}), i1({}, {1}),
          tensor(DType::u8, {}, {255}), tensor(DType::s8, {}, {-128}),
          tensor(DType::s64, {}, {-4611686018427387904.0}), tensor(DType::u64, {}, {9223372036854775808.0})});
}

TEST_F(Elementwise, DenseConstantsAndIota) {
  std::vector<float> ramp(60);
  std::vector<std::int32_t> squares(60);
  for (std::size_t i = 0; i < 60; ++i) ramp[i] = 0.1f * float(i), squares[i] = std::int32_t(i * i) - 100;
  expect({f32({}, {0})},
         [&](const Values& a) -> Values {
           hlo::Function& f = a[0].function();
           return {hlo::constant(f, std::span<const float>(ramp), {3, 20}),
                   hlo::constant(f, std::span<const std::int32_t>(squares), {60}),
                   hlo::constant(f, std::vector<float>{1, 2, float(kInf), 0.1f}, {2, 2}),
                   hlo::constant(f, std::vector<std::int32_t>{}, {0, 3}),
                   hlo::iota(f, {DType::s32, {2, 3}}, 1),
                   hlo::iota(f, {DType::f32, {2, 3}}, 0)};
         },
         {f32({3, 20}, {ramp.begin(), ramp.end()}), s32({60}, {squares.begin(), squares.end()}),
          f32({2, 2}, {1, 2, kInf, 0.1f}), s32({0, 3}, {}), s32({2, 3}, {0, 1, 2, 0, 1, 2}),
          f32({2, 3}, {0, 0, 0, 1, 1, 1})});
}

}  // namespace
}  // namespace adder::op
