// adder profile: that every part of the model is there and adds up. No time is compared with anything.

#include <set>

#include "base/mapped_file.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

using Profile = CliTest;

std::set<std::string> parts_of(const Json& run) {
  std::set<std::string> names;
  for (const Json& row : run.at("parts")) names.insert(row.at("part").get<std::string>());
  return names;
}

double sum_of(const Json& run, const std::string& field) {
  double sum = 0;
  for (const Json& row : run.at("parts")) sum += row.at(field).get<double>();
  return sum;
}

TEST_F(Profile, NamesEveryPartAndWritesATrace) {
  need_plugin();
  const std::string trace_file = in_folder("trace.json");
  const Json report = json({"profile", "-m", golden("hf-tiny"), "--dtype", "f32", "-p", "16", "-n", "4", "-r",
                            "1", "--ops", "--trace", trace_file});
  ASSERT_EQ(report.at("runs").size(), 2u);
  const Json& decode = report.at("runs").at(0);
  const Json& prefill = report.at("runs").at(1);
  EXPECT_EQ(decode.at("run"), "decode");
  EXPECT_EQ(prefill.at("run"), "prefill");
  const std::vector<std::string> both{
      "embedding",        "norm",           "mixer/in_proj", "mixer/conv", "mixer/gates",
      "mixer/gated_norm", "mixer/out_proj", "residual",      "final_norm", "head"};
  EXPECT_THAT(parts_of(decode), IsSupersetOf(both));
  EXPECT_THAT(parts_of(decode), IsSupersetOf({"mixer/ssd/update", "sampler"}));
  EXPECT_THAT(parts_of(prefill), IsSupersetOf(both));
  EXPECT_THAT(parts_of(prefill),
              IsSupersetOf({"mixer/ssd/within", "mixer/ssd/state", "mixer/ssd/carry", "mixer/ssd/across"}));
  for (const Json& run : report.at("runs")) {
    EXPECT_NEAR(sum_of(run, "share"), 1, 1e-6);
    EXPECT_GT(run.at("wall_ms").get<double>(), 0);
    EXPECT_GT(sum_of(run, "kernels"), 10);
    EXPECT_GT(run.at("ops").size(), 10u);
  }

  const auto file = read_json_file(trace_file);
  ASSERT_TRUE(file) << file.error().to_string();
  std::set<std::string> names;
  for (const Json& event : file->at("traceEvents"))
    if (event.at("ph") == "X") names.insert(event.at("name").get<std::string>());
  EXPECT_THAT(names, IsSupersetOf(both));
}

TEST_F(Profile, CountsTheWorkOfProducts) {
  need_plugin();
  const Json report =
      json({"profile", "-m", golden("hf-tiny"), "--dtype", "f32", "-p", "0", "-n", "4", "-r", "1"});
  ASSERT_EQ(report.at("runs").size(), 1u);
  const auto config = read_json_file(golden("hf-tiny") / "config.json");
  ASSERT_TRUE(config);
  const auto layers = config->at("num_hidden_layers").get<double>();
  const auto d = config->at("hidden_size").get<double>();
  const double inner = d * config->at("expand").get<double>();
  int found = 0;
  for (const Json& row : report.at("runs").at(0).at("parts")) {
    if (row.at("part") != "mixer/out_proj") continue;
    ++found;
    EXPECT_EQ(row.at("runs").get<double>(), layers);
    EXPECT_EQ(row.at("flops").get<double>(), 2 * layers * d * inner);
    EXPECT_EQ(row.at("bytes").get<double>(), 4 * layers * (d * inner + d + inner));
  }
  EXPECT_EQ(found, 1) << report.dump();
}

TEST_F(Profile, RefusesAPromptOfSeveralPieces) {
  need_plugin();
  expect_failure(adder({"profile", "-m", golden("hf-tiny"), "-p", "600", "-n", "0"}), 1, "runs as");
}

}  // namespace
}  // namespace adder::test
