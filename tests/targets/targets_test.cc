// The programs of the five published scales, compiled for an H100 and a TPU v6e that are not there.

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <tuple>

#include "ahead/compile.h"
#include "arch/testing.h"
#include "pjrt/plugin_search.h"

namespace adder::ahead {
namespace {

struct Scale {
  const char* name;
  std::int64_t d_model, n_layer;
};
// The published mamba2-* sizes; the rest of their configuration is the same.
constexpr Scale kScales[] = {
    {"130m", 768, 24}, {"370m", 1024, 48}, {"780m", 1536, 48}, {"1_3b", 2048, 48}, {"2_7b", 2560, 64}};

arch::ConfigRef config_of(const Scale& scale) {
  return arch::testing::mamba2_of({.d_model = scale.d_model,
                                   .n_layer = scale.n_layer,
                                   .d_state = 128,
                                   .head_dim = 64,
                                   .n_heads = 2 * scale.d_model / 64,
                                   .vocab_size = 50277,
                                   .rows = 50288});
}

std::int64_t state_bytes(const arch::Config& config, std::int64_t batch) {
  std::int64_t bytes = 0;
  for (const arch::StateField& field : config.state()) bytes += field.shape(batch).bytes();
  return bytes;
}

Result<std::filesystem::path> plugin_of(const Target& target) {
  pjrt::SearchEnvironment environment;
  environment.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* folder = std::getenv("ADDER_TARGETS");
    if (name == "ADDER_PLUGIN_PATH" && folder != nullptr) return folder;
    return std::nullopt;
  };
  environment.root = "/nonexistent";  // only what was fetched for this
  ADDER_TRY(const auto found, pjrt::find_plugin(target.platform, environment));
  return found.path;
}

/// Compiled programs ask the host for nothing while they loop: no transfer, no callback, no random numbers.
bool is_host_transfer(const profile::Kernel& k) {
  static const std::regex kHost("infeed|outfeed|send.*|recv.*|.*callback.*|.*[Hh]ost.*");
  return std::regex_match(k.opcode, kHost);
}

class Targets : public testing::TestWithParam<std::tuple<const char*, Scale, DType>> {
 protected:
  void SetUp() override {
    if (std::getenv("ADDER_TARGETS") == nullptr)
      GTEST_SKIP() << "no compilers: ./x targets sets ADDER_TARGETS";
  }
};

void check_text(const engine::Graph& graph) {
  // Every op is one of StableHLO's, and none is a custom call.
  static const std::regex kOp(R"( ([a-z_]+)\.([a-z_0-9]+))");
  std::set<std::string> other;
  for (std::sregex_iterator op(graph.text.begin(), graph.text.end(), kOp), end; op != end; ++op)
    if ((*op)[1] == "chlo" || (*op)[1] == "mhlo" || (*op)[2] == "custom_call") other.insert(op->str());
  EXPECT_THAT(other, testing::IsEmpty()) << graph.name;
}

void check_memory(const CompiledFor& done, std::int64_t state) {
  const ProgramReport& report = done.report;
  ASSERT_TRUE(report.argument_bytes && report.aliased_bytes && report.temporary_bytes) << report.name;
  EXPECT_GE(*report.aliased_bytes, state) << report.name << ": the state is updated in place";
  // Decode needs no more than a few rows, extend what its tokens need. Where the
  // weights are above 4 GiB, that is never a second copy of them.
  EXPECT_LT(*report.temporary_bytes, *report.argument_bytes / 2 + (std::int64_t{2} << 30)) << report.name;
  if (report.name.starts_with("decode"))
    EXPECT_LT(*report.temporary_bytes, *report.argument_bytes / 4) << report.name;
}

void check_loop(const CompiledFor& done) {
  ASSERT_FALSE(done.kernels.empty()) << done.report.name;
  std::int64_t in_loop = 0;
  for (const profile::Kernel& k : done.kernels) {
    EXPECT_FALSE(is_host_transfer(k)) << done.report.name << ": " << k.name << ": " << k.opcode;
    if (!k.in_loop) continue;
    ++in_loop;
    EXPECT_GT(k.times, 1) << done.report.name << ": " << k.name << ": the loop's length is unknown";
  }
  if (done.report.name.starts_with("decode")) EXPECT_GT(in_loop, 0) << done.report.name;
}

TEST_P(Targets, CompileEveryProgram) {
  const auto& [name, scale, dtype] = GetParam();
  auto target = find_target(name);
  ASSERT_TRUE(target) << target.error().to_string();
  const auto plugin = plugin_of(*target);
  ASSERT_TRUE(plugin) << plugin.error().to_string();
  const CompileRequest request{
      .target = *target, .plugin = *plugin, .model = config_of(scale), .weight_dtype = dtype};
  std::set<std::string> texts;
  const auto report = compile_for(request, [&](const CompiledFor& done) {
    check_text(done.graph);
    if (!done.report.name.starts_with("state_")) {  // which only makes one
      check_memory(done, state_bytes(*request.model, request.batch));
      check_loop(done);
    }
    EXPECT_TRUE(texts.insert(done.graph.text).second) << done.graph.name << " is compiled twice";
    EXPECT_GT(done.executable.serialize().value_or("").size(), 1000u) << done.graph.name;
  });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->programs.size(), programs_of(request.target.platform, request.batch).size());
}

INSTANTIATE_TEST_SUITE_P(All, Targets,
                         testing::Combine(testing::Values("h100", "v6e"), testing::ValuesIn(kScales),
                                          testing::Values(DType::f32, DType::bf16, DType::s8)),
                         [](const auto& info) {
                           return fmt::format(
                               "{}_{}_{}", std::get<0>(info.param), std::get<1>(info.param).name,
                               std::get<2>(info.param) == DType::s8 ? "int8" : name(std::get<2>(info.param)));
                         });

}  // namespace
}  // namespace adder::ahead
