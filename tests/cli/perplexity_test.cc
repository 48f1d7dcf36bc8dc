// adder perplexity against the float64 oracle's value for the embedded model's held-out text.

#include <fstream>

#include "cli_fixture.h"

namespace adder::test {
namespace {

using Perplexity = CliTest;

TEST_F(Perplexity, IsTheOraclesOnTheHeldOutText) {
  need_plugin();
  const auto expected = read_json_file(demo_model() / "expected.json");
  ASSERT_TRUE(expected) << expected.error().to_string();
  const Json whole = json({"perplexity", demo_model(), "-f", demo_model() / "heldout.txt", "--dtype", "f32"});
  EXPECT_EQ(whole.at("tokens"), expected->at("tokens"));
  EXPECT_NEAR(whole.at("perplexity").get<double>(), expected->at("perplexity").get<double>(), 0.0005);
  EXPECT_NEAR(whole.at("nll").get<double>(), expected->at("nll").get<double>(), 1e-5);
  EXPECT_GT(whole.at("tokens_per_s").get<double>(), 0);
}

TEST_F(Perplexity, NarrowWeightsCostLittle) {
  need_plugin();
  const auto expected = read_json_file(demo_model() / "expected.json");
  ASSERT_TRUE(expected) << expected.error().to_string();
  const auto exact = expected->at("perplexity").get<double>();
  const std::pair<const char*, double> dtypes[] = {{"bf16", 0.02}, {"int8", 0.15}};
  for (const auto& [dtype, within] : dtypes) {
    SCOPED_TRACE(dtype);
    const Json found =
        json({"perplexity", "-m", demo_model(), "-f", demo_model() / "heldout.txt", "--dtype", dtype});
    EXPECT_NEAR(found.at("perplexity").get<double>(), exact, within);
  }
}

TEST_F(Perplexity, ShortWindowsPredictWorse) {
  need_plugin();
  const Json windows = json(
      {"perplexity", "-m", demo_model(), "-f", demo_model() / "heldout.txt", "--dtype", "f32", "-c", "256"});
  EXPECT_GT(windows.at("perplexity").get<double>(),
            51.5);  // README of the model: 3.94 nats with training's windows
  EXPECT_LT(windows.at("perplexity").get<double>(), 56);
}

TEST_F(Perplexity, NoTextIsAnError) {
  need_plugin();
  if (IsSkipped()) return;
  std::ofstream(in_folder("empty.txt"));
  expect_failure(adder({"perplexity", "-m", demo_model(), "-f", in_folder("empty.txt")}), 1,
                 "empty.txt: there is no text to score");
  expect_failure(adder({"perplexity", "-m", demo_model(), "-f", in_folder("missing.txt")}), 1, "missing.txt");
  expect_failure(adder({"perplexity", "-m", demo_model()}), 2, "--file");
}

}  // namespace
}  // namespace adder::test
