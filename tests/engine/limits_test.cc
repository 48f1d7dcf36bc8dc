// What speed figures are held against, and the programs that everything runs.

#include "measure/limits.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/testing.h"
#include "engine_fixture.h"
#include "measure/measure.h"

namespace adder::measure {
namespace {

using namespace engine;  // NOLINT: the fixture is the engine's

using adder::testing::TempDirectory;

struct LimitsTest : EngineTest {};

Result<pjrt::DeviceMemoryStats> memory(std::int64_t limit, std::int64_t used) {
  pjrt::DeviceMemoryStats out;
  out.bytes_limit = limit;
  out.bytes_in_use = used;
  return out;
}

// 256 MiB gave 1.87 TB/s on a card of 3.35.
TEST(ProbeBytes, GrowWithTheDevice) {
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  EXPECT_EQ(probe_bytes(memory(60 * kGiB, 0)), 4 * kGiB);
  EXPECT_EQ(probe_bytes(memory(60 * kGiB, 40 * kGiB)), 2 * kGiB);
  EXPECT_EQ(probe_bytes(memory(60 * kGiB, 60 * kGiB)), kGiB / 4);
  EXPECT_EQ(probe_bytes(pjrt::DeviceMemoryStats()), kGiB / 4);
  EXPECT_EQ(probe_bytes(fail(ErrorCode::unsupported, "a CPU keeps no count")), kGiB / 4);
}

TEST(LimitsOf, TheTypeThatProductsRunIn) {
  const Limits both{.read_gb_s = 1, .gemm_gflop_s = 100, .gemm_bf16_gflop_s = 800};
  EXPECT_EQ(both.gemm_rate(DType::bf16), 800);
  EXPECT_EQ(both.gemm_rate(DType::f32), 100);
  EXPECT_EQ((Limits{.read_gb_s = 1, .gemm_gflop_s = 100}).gemm_rate(DType::bf16), 100);
  ModelSpec model;
  EXPECT_EQ(product_type(model), DType::f32);
  model.weight_dtype = DType::bf16;
  EXPECT_EQ(product_type(model), DType::bf16);
  model.weight_dtype = DType::s8;
  model.policy.int8_activations = true;
  EXPECT_EQ(product_type(model), DType::f32);
  model.policy.int8_activations = false;
  EXPECT_EQ(product_type(model), DType::bf16);
}

TEST_F(LimitsTest, AreMeasuredOnEveryPluginAndInBothTypes) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    for (const bool bf16 : {false, true}) {
      ASSIGN_OK(const LimitsProbe probe,
                LimitsProbe::create(e.client(), e.device(),
                                    {.compile = e.programs().compile_options(), .bf16 = bf16}));
      EXPECT_EQ(probe.read_bytes(), 256 << 20);
      ASSIGN_OK(const Limits limits, probe.sample(1));
      EXPECT_GT(limits.read_gb_s, 0);
      EXPECT_GT(limits.gemm_gflop_s, 0);
      EXPECT_EQ(limits.gemm_bf16_gflop_s > 0, bf16);
    }
  }
}

// They were compiled without the model's flags, for the first device.
TEST_F(LimitsTest, AreCompiledAsTheModelIs) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  pjrt::CompileOptions wrong = e.programs().compile_options();
  wrong.flags["xla_no_such_flag"] = true;
  EXPECT_FALSE(LimitsProbe::create(e.client(), e.device(), {.compile = wrong}));
}

TEST_F(LimitsTest, AreOfTheDeviceThatWasAskedFor) {
  ASSIGN_OK(const pjrt::Plugin plugin, pjrt::Plugin::open(plugins().front()));
  const std::vector<pjrt::NamedValue> options{{"cpu_device_count", std::int64_t{2}}};
  ASSIGN_OK(const pjrt::Client client, pjrt::Client::create(plugin, options));
  ASSERT_EQ(client.devices().size(), 2U);
  const pjrt::Device second = client.devices()[1];
  ASSIGN_OK(const LimitsProbe probe,
            LimitsProbe::create(client, second, {.compile = pjrt::CompileOptions::for_device(second.id())}));
  ASSIGN_OK(const Limits limits, probe.sample(1));
  EXPECT_GT(limits.read_gb_s, 0);
}

// A disk that was full once made a program fail for as long as the engine lived.
TEST_F(LimitsTest, AFailedCompileIsTriedAgain) {
  const TempDirectory folder;
  std::ofstream(folder / "dump") << "no folder";
  ASSIGN_OK(const Engine e, Engine::open({.model = golden_dir("hf-tiny"),
                                          .plugin = plugins().front(),
                                          .dump_hlo = folder / "dump",
                                          .cache_dir = {}}));
  const ExtendSpec spec{.batch = 1, .tokens = 1};
  EXPECT_FALSE(e.programs().extend(spec));
  EXPECT_TRUE(e.programs().ready().empty());
  std::filesystem::remove(folder / "dump");
  ASSIGN_OK(const ProgramRef program, e.programs().extend(spec));
  EXPECT_EQ(e.programs().ready().size(), 1U);
}

}  // namespace
}  // namespace adder::measure
