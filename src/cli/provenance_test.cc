#include "cli/provenance.h"

#include <gtest/gtest.h>

namespace adder::cli {
namespace {

TEST(ModelName, OfAPulledModelIsItsOrganisationsAndItsOwn) {
  const std::filesystem::path snapshot =
      "/home/a/.cache/huggingface/hub/models--state-spaces--mamba2-130m/snapshots/0123abc";
  EXPECT_EQ(model_name("state-spaces/mamba2-130m", snapshot), "state-spaces/mamba2-130m");
  EXPECT_EQ(model_name(snapshot, snapshot), "state-spaces/mamba2-130m");
  EXPECT_EQ(model_name("models/austen-3.6m/", "models/austen-3.6m/"), "austen-3.6m");
  EXPECT_EQ(model_name("models/austen-3.6m", "models/austen-3.6m"), "austen-3.6m");
}

TEST(Host, SaysWhatTheSystemSays) {
  const Host host = Host::current();
  EXPECT_FALSE(host.cpu.empty());
  EXPECT_GE(host.threads, 1U);
  EXPECT_GT(host.memory_bytes, 0);
}

TEST(LimitsJson, HasBfloat16WhereItWasMeasured) {
  EXPECT_EQ(to_json(measure::Limits{.read_gb_s = 1, .gemm_gflop_s = 2}).dump(),
            R"({"read_gb_s":1.0,"gemm_gflop_s":2.0})");
  EXPECT_EQ(to_json(measure::Limits{1, 2, 3})["gemm_bf16_gflop_s"], 3.0);
}

}  // namespace
}  // namespace adder::cli
