// A published scale: mamba2-130m's shape with random weights, made on the spot by tools/make_checkpoint.py.

#include <cstdlib>

#include "cli_fixture.h"

namespace adder::test {
namespace {

using Scale = CliTest;

TEST_F(Scale, GreedyTokensOf130M) {
  need_plugin();
  const char* python = std::getenv("ADDER_TEST_PYTHON");
  if (!python) GTEST_SKIP() << "ADDER_TEST_PYTHON is not set: a Python with numpy makes the checkpoint";
  const std::filesystem::path source(ADDER_SOURCE_DIR);
  const auto facts = read_json_file(source / "tests/goldens/scale-130m.json");
  ASSERT_TRUE(facts) << facts.error().to_string();
  ASSERT_EQ(facts->at("make"), "make_checkpoint.py OUT --scale 130m --seed 7");
  const Outcome made = Process(python,
                               {(source / "tools/make_checkpoint.py").string(), in_folder("model"), "--scale",
                                "130m", "--seed", "7"},
                               {})
                           .wait();
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Json result = json({"generate", "-m", in_folder("model"), "--dtype", "f32", "--temp", "0",
                            "--ignore-eos", "-n", "64", "--ids", joined(facts->at("prompt").get<Ids>())});
  EXPECT_EQ(result.at("ids").get<Ids>(), facts->at("greedy_tokens").get<Ids>());
}

}  // namespace
}  // namespace adder::test
