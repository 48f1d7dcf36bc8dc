// adder quantize: int8 on disk runs in every dtype, and is what quantising while loading gives.

#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;

class Quantize : public CliTest {
 protected:
  std::vector<float> logits(const std::filesystem::path& model, const std::string& dtype) {
    const std::string out = in_folder("out-" + dtype + ".safetensors");
    const Outcome outcome = adder({"forward", "-m", model, "--plugin", test_plugin(), "--ids",
                                   "5,17,3,88,1,42", "--dtype", dtype, "--out", out});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Tensors(out).floats("logits");
  }
};

TEST_F(Quantize, WritesADirectoryThatInspectKnows) {
  const Json result = json({"quantize", golden("mamba-ssm-tiny"), in_folder("out"), "--shard-size", "50kB"});
  EXPECT_EQ(result["out"], in_folder("out"));
  EXPECT_GT(result["files"], 1);
  const Json before = json({"inspect", golden("mamba-ssm-tiny")});
  const Json after = json({"inspect", in_folder("out"), "--tensors"});
  EXPECT_EQ(result["bytes"], after["stored_bytes"]);
  EXPECT_EQ(after["parameters"], before["parameters"]);
  EXPECT_EQ(after["memory_bytes"], before["memory_bytes"]);
  EXPECT_LT(after["memory_bytes"]["int8"]["weights"], before["memory_bytes"]["bf16"]["weights"]);
  std::int64_t matrices = 0, rows = 0;
  for (const Json& tensor : after["tensors"]) {
    if (tensor["dtype"] != "I8") continue;
    ++matrices;
    rows += tensor["shape"][0].get<std::int64_t>();
    EXPECT_EQ(tensor["bytes"],
              tensor["shape"][0].get<std::int64_t>() * (tensor["shape"][1].get<std::int64_t>() + 4));
  }
  EXPECT_EQ(matrices, 2 * after["config"]["n_layer"].get<std::int64_t>() + 1) << "the head is tied";
  EXPECT_EQ(after["stored_dtypes"]["I8"]["tensors"], matrices);
  EXPECT_EQ(result["tensors"], static_cast<std::int64_t>(after["tensors"].size()) + matrices);
  EXPECT_THAT(adder({"inspect", in_folder("out")}).out, HasSubstr("memory, int8"));
}

TEST_F(Quantize, RunsInFloatTypesAsItsExpansionDoes) {
  need_plugin();
  if (IsSkipped()) return;
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    ASSERT_EQ(adder({"quantize", golden(name), in_folder(name + "-8")}).exit_code, 0);
    ASSERT_EQ(adder({"convert", in_folder(name + "-8"), in_folder(name + "-32"), "--dtype", "f32"}).exit_code,
              0);
    const std::vector<float> wide = logits(in_folder(name + "-8"), "f32");
    ASSERT_FALSE(wide.empty());
    EXPECT_EQ(wide, logits(in_folder(name + "-32"), "f32"));
    EXPECT_EQ(logits(in_folder(name + "-8"), "bf16"), logits(in_folder(name + "-32"), "bf16"));
  }
}

TEST_F(Quantize, WhileLoadingIsTheSameAsBefore) {
  need_plugin();
  if (IsSkipped()) return;
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    ASSERT_EQ(adder({"quantize", golden(name), in_folder(name + "-8")}).exit_code, 0);
    const std::vector<float> stored = logits(in_folder(name + "-8"), "int8");
    ASSERT_FALSE(stored.empty());
    EXPECT_EQ(stored, logits(golden(name), "int8"));
    const std::vector<float> exact = logits(golden(name), "f32");
    ASSERT_EQ(stored.size(), exact.size());
    float largest = 0, worst = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      largest = std::max(largest, std::abs(exact[i]));
      worst = std::max(worst, std::abs(exact[i] - stored[i]));
    }
    EXPECT_LT(worst, 0.15F * largest) << "eight bits a weight and an activation";
    EXPECT_GT(worst, 0) << "not int8 at all";
  }
}

TEST_F(Quantize, RefusesWhatItCannotDoAndLeavesNothing) {
  const Outcome done = adder({"quantize", golden("hf-tiny"), in_folder("out")});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, in_folder("out") + "\n");
  expect_failure(adder({"quantize", golden("hf-tiny"), in_folder("out")}), 1, "exists and is not empty");
  expect_failure(adder({"quantize", in_folder("nowhere"), in_folder("x")}), 1, "no such file or directory");
  expect_failure(adder({"quantize", golden("hf-tiny")}), 2, "OUT is required");
  expect_failure(adder({"quantize", golden("hf-tiny"), in_folder("x"), "--shard-size", "0"}), 2,
                 "shard-size");
  EXPECT_FALSE(std::filesystem::exists(in_folder("x")));
}

}  // namespace
}  // namespace adder::test
