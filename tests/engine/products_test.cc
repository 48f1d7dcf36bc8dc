// Every way to spell a product gives the product, on every plugin.

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "../op/op_fixture.h"
#include "arch/mamba2.h"
#include "base/half.h"
#include "engine/platform.h"
#include "engine/tuning.h"
#include "engine_fixture.h"
#include "model/products.h"

namespace adder::engine {
namespace {

using model::Matrix;
using op::Tensor;

struct Products : op::OpTest {};

float rounded(DType dtype, double x) {
  const auto f = static_cast<float>(x);
  return dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(f)) : f;
}

struct Problem {
  Tensor x, weight, scale, expected;
};

/// x [rows,inputs] by W [outputs,inputs] in double precision, after the roundings that the type asks for; of
/// int8, with x as int8 or as bfloat16.
Problem make_problem(DType dtype, std::int64_t rows, std::int64_t outputs, std::int64_t inputs,
                     bool int8_activations = true) {
  const bool quantised = dtype == DType::s8 && int8_activations;
  std::mt19937 random(20261125);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> byte(-127, 127);
  Problem p{op::f32({rows, inputs}, {}), op::tensor(dtype, {outputs, inputs}, {}), op::f32({outputs}, {}),
            op::f32({rows, outputs}, {})};
  for (std::int64_t i = 0; i < rows * inputs; ++i) p.x.values.push_back(static_cast<float>(normal(random)));
  for (std::int64_t i = 0; i < outputs * inputs; ++i)
    p.weight.values.push_back(dtype == DType::s8 ? byte(random) : rounded(dtype, normal(random)));
  for (std::int64_t i = 0; i < outputs; ++i) p.scale.values.push_back(0.001F * static_cast<float>(i % 7 + 1));
  for (std::int64_t r = 0; r < rows; ++r) {
    const double* x = p.x.values.data() + r * inputs;
    float peak = 0;
    for (std::int64_t i = 0; i < inputs; ++i) peak = std::max(peak, std::abs(static_cast<float>(x[i])));
    for (std::int64_t o = 0; o < outputs; ++o) {
      double sum = 0;
      for (std::int64_t i = 0; i < inputs; ++i) {
        const double w = p.weight.values[static_cast<std::size_t>(o * inputs + i)];
        sum += w * (quantised ? std::nearbyint(static_cast<float>(x[i]) * (127.0F / peak))
                              : rounded(dtype == DType::s8 ? DType::bf16 : dtype, x[i]));
      }
      if (quantised) sum *= peak / 127.0;
      if (dtype == DType::s8) sum *= p.scale.values[static_cast<std::size_t>(o)];
      p.expected.values.push_back(sum);
    }
  }
  return p;
}

Matrix<hlo::Value> matrix(const hlo::Values& v) {
  Matrix<hlo::Value> m{.weight = v[1], .scale = std::nullopt};
  if (v[1].dtype() == DType::s8) m.scale = v[2];
  return m;
}

model::Policy quantising() {
  model::Policy policy;
  policy.int8_activations = true;
  return policy;
}

TEST_F(Products, EverySpellingGivesTheProduct) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::s8}) {
    for (const model::Spelling& s : model::spellings(dtype)) {
      for (const std::int64_t pieces : {1, 2}) {
        SCOPED_TRACE(std::string(name(dtype)) + " " + std::string(s.name));
        const std::int64_t piece = s.terms ? s.terms * model::Spelling::kLanes : 96;
        const Problem p = make_problem(dtype, 1, 672, pieces * piece);  // 672 divides into all the parts
        ASSERT_TRUE(s.applies(1, p.weight.shape));
        // Float32 sums of up to 2,048 bfloat16 products of either sign; those of int8 are exact.
        expect_one(
            {p.x, p.weight, p.scale},
            [&](const hlo::Values& v) { return model::spelled_product(quantising(), s, v[0], matrix(v)); },
            p.expected, s.terms && dtype == DType::bf16 ? 5e-5 : 1e-5);
      }
    }
  }
}

// Else a model's weights would lie there once more, as float32: two of the pinned plugins do that to
// bfloat16.
TEST_F(Products, SpellingsThatExpandWeightsBeforeTheLoopAreFound) {
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    const bool newest = plugin.find("lammps") != std::string::npos;
    for (const DType dtype : {DType::bf16, DType::s8}) {
      SCOPED_TRACE(name(dtype));
      const model::Spelling lanes = *model::find_spelling(dtype, "lanes24");
      ASSIGN_OK(const bool expands, expands_weights(client, quantising(), lanes, {dtype, {672, 768}},
                                                    compile_options(client, client.default_device())));
      EXPECT_EQ(expands, dtype == DType::bf16 && !newest);
    }
  }
}

// A graph that cannot be built is an error, not an exception that leaves the room.
TEST_F(Products, AWrongGraphIsAnErrorOfTuning) {
  const auto& client = clients().front().second;
  const model::Spelling parts = *model::find_spelling(DType::f32, "parts4");
  const auto result = expands_weights(client, {}, parts, {DType::f32, {7, 5}}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::internal);
  EXPECT_THAT(result.error().message, testing::StartsWith("building a loop of products: "));
}

TEST_F(Products, Int8WithoutQuantisedActivationsIsBfloat16ByTheIntegers) {
  const model::Policy policy;
  for (const std::int64_t rows : {1, 3}) {
    SCOPED_TRACE(rows);
    const Problem p = make_problem(DType::s8, rows, 40, 96, false);
    expect_one(
        {p.x, p.weight, p.scale},
        [&](const hlo::Values& v) { return model::product(policy, v[0], matrix(v)); }, p.expected, 1e-5);
  }
}

TEST_F(Products, SeveralRowsAreEachTheirOwn) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::s8}) {
    SCOPED_TRACE(name(dtype));
    const Problem p = make_problem(dtype, 3, 40, 96);
    expect_one(
        {p.x, p.weight, p.scale},
        [&](const hlo::Values& v) { return model::product(quantising(), v[0], matrix(v)); }, p.expected,
        1e-5);
  }
}

TEST_F(Products, ARowOfZerosStaysZeroInInt8) {
  Problem p = make_problem(DType::s8, 1, 32, 64);
  p.x.values.assign(p.x.values.size(), 0.0);
  p.expected.values.assign(p.expected.values.size(), 0.0);
  expect_one(
      {p.x, p.weight, p.scale},
      [&](const hlo::Values& v) { return model::product(quantising(), v[0], matrix(v)); }, p.expected);
}

TEST(Policy, AShapeThatIsNotListedTakesItsTypesOwnWhereThatApplies) {
  model::Policy policy;
  policy.otherwise[DType::f32] = *model::find_spelling(DType::f32, "parts4");
  policy.spelling["f32[8,4]"] = *model::find_spelling(DType::f32, "parts8");
  EXPECT_EQ(policy.spelling_of(1, {DType::f32, {8, 4}}).name, "parts8");
  EXPECT_EQ(policy.spelling_of(1, {DType::f32, {12, 4}}).name, "parts4");
  EXPECT_EQ(policy.spelling_of(1, {DType::f32, {13, 4}}).name, "plain");
  EXPECT_EQ(policy.spelling_of(1, {DType::s8, {12, 4}}).name, "plain");
  EXPECT_EQ(model::find_spelling(DType::f32, "first2"), std::nullopt);
}

TEST(Policy, ChangesAreRowsAndFieldsInOrder) {
  const model::Policy cpu = platform_policy("CPU").model;
  EXPECT_TRUE(cpu.split_in_proj);
  EXPECT_FALSE(platform_policy("no such").model.split_in_proj);
  ASSIGN_OK(const model::Policy changed, changed_policy(cpu, "cuda,chunk=64,barriers=1"));
  EXPECT_TRUE(changed.norm_after_product);
  EXPECT_TRUE(changed.otherwise.empty());
  EXPECT_TRUE(changed.barriers);
  EXPECT_EQ(changed.scan.chunk, 64);
  ASSIGN_OK(const model::Policy same, changed_policy(cpu, ""));
  EXPECT_EQ(same.scan.lanes, cpu.scan.lanes);
  for (const char* wrong : {"chunks=64", "chunk", "chunk=", "chunk=-1", "chunk=6x", "=1", "cuda;plain"}) {
    const auto refused = changed_policy(cpu, wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().to_string().find("chunk=N"), std::string::npos) << refused.error().to_string();
  }
}

TEST_F(Products, CompileFlagsAreThoseThatThePluginKnows) {
  hlo::Module module("one");
  module.main().finish({{"out", hlo::constant(module.main(), DType::s32, 1)}});
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    pjrt::CompileOptions options = compile_options(client, client.default_device());
    EXPECT_EQ(options.flags, platform_policy("cpu").compile_flags) << "every pinned plugin knows them";
    ASSERT_OK(client.compile(module.text(), options));
    options.flags["xla_cpu_no_such_flag"] = true;
    EXPECT_FALSE(client.compile(module.text(), options)) << "then asking is no way to find out";
  }
}

}  // namespace
}  // namespace adder::engine
