// adder convert: the model stays the same model.

#include <fstream>

#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;

class Convert : public CliTest {
 protected:
  Tensors forward(const std::filesystem::path& model, const std::string& out,
                  const std::string& dtype = "f32") {
    const Outcome outcome = adder({"forward", "-m", model, "--plugin", test_plugin(), "--ids",
                                   "5,17,3,88,1,42", "--dtype", dtype, "--out", in_folder(out)});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Tensors(in_folder(out));
  }
};

TEST_F(Convert, WritesADirectoryAndSaysWhatIsInIt) {
  const Json result =
      json({"convert", golden("mamba-ssm-tiny"), in_folder("out"), "--max-shard-size", "200kB"});
  EXPECT_EQ(result["out"], in_folder("out"));
  EXPECT_EQ(result["tensors"], 29);
  EXPECT_GT(result["files"], 1);
  const Json inspected = json({"inspect", in_folder("out"), "--fingerprint"});
  EXPECT_EQ(inspected["dialect"], "Hugging Face");
  EXPECT_EQ(inspected["config"]["vocab_size"], 501);
  EXPECT_EQ(inspected["fingerprint"],
            json({"inspect", golden("mamba-ssm-tiny"), "--fingerprint"})["fingerprint"]);
  const Outcome plain = adder({"convert", golden("hf-tiny"), in_folder("plain")});
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out, in_folder("plain") + "\n");
  EXPECT_THAT(plain.err, HasSubstr("1 file"));
}

TEST_F(Convert, EveryLayoutGivesTheSameLogitsBitForBit) {
  need_plugin();
  if (IsSkipped()) return;
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    ASSERT_EQ(adder({"convert", golden(name), in_folder(name)}).exit_code, 0);
    ASSERT_EQ(adder({"convert", golden(name), in_folder(name + "-s"), "--max-shard-size", "100kB"}).exit_code,
              0);
    const auto expected = forward(golden(name), "a").floats("logits");
    EXPECT_EQ(forward(in_folder(name), "b").floats("logits"), expected);
    EXPECT_EQ(forward(in_folder(name + "-s"), "c").floats("logits"), expected);
  }
}

TEST_F(Convert, Bfloat16RunsAsTheOriginalDoesInBfloat16) {
  need_plugin();
  if (IsSkipped()) return;
  ASSERT_EQ(adder({"convert", golden("hf-tiny"), in_folder("out"), "--dtype", "bf16"}).exit_code, 0);
  EXPECT_EQ(forward(in_folder("out"), "a", "bf16").floats("logits"),
            forward(golden("hf-tiny"), "b", "bf16").floats("logits"));
}

TEST_F(Convert, ANameLikeAFilesIsSaidToBeAFolder) {
  const Outcome outcome = adder({"convert", golden("hf-tiny"), in_folder("x.gguf")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("x.gguf is a folder, holding config.json and safetensors files"));
  EXPECT_TRUE(std::filesystem::is_directory(folder() / "x.gguf"));
}

TEST_F(Convert, MistakesAreNamed) {
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("x"), "--dtype", "f16"}), 2,
                 "\"f16\" is none of f32, bf16");
  EXPECT_EQ(adder({"convert", golden("hf-tiny"), in_folder("x"), "--dtype", "bfloat16"}).exit_code, 0);
  expect_failure(adder({"convert", golden("hf-tiny")}), 2, "OUT is required");
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("o"), "--dtype", "f16"}), 2, "--dtype");
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("o"), "--max-shard-size", "much"}), 2,
                 "--max-shard-size");
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("o"), "--max-shard-size", "0"}), 2,
                 "--max-shard-size");
  expect_failure(adder({"convert", in_folder("none"), in_folder("o")}), 1, "no such file");
  std::filesystem::create_directory(folder() / "full");
  std::ofstream(folder() / "full" / "mine") << "x";
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("full")}), 1, "not empty");
}

}  // namespace
}  // namespace adder::test
