#include <fstream>

#include "cli_fixture.h"

namespace adder::test {
namespace {

using testing::HasSubstr;

using Devices = CliTest;

TEST_F(Devices, ListsAPluginWithItsDevices) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const Json result = json({"devices", "--plugin", test_plugin()});
  ASSERT_EQ(result["plugins"].size(), 1u);
  const Json& plugin = result["plugins"][0];
  EXPECT_EQ(plugin["path"], test_plugin());
  EXPECT_EQ(plugin["usable"], true);
  EXPECT_EQ(plugin["platform"], "cpu");
  EXPECT_GE(plugin["devices"].size(), 1u);
  const Outcome text = adder({"devices", "--plugin", test_plugin()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("platform cpu, PJRT API 0."));
  EXPECT_THAT(text.out, HasSubstr("device 0: "));
}

TEST_F(Devices, TheVariablesPluginIsAmongAll) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  EXPECT_EQ(json({"devices"})["plugins"][0]["path"], test_plugin());
}

TEST_F(Devices, SaysWhyOneIsNotUsable) {
  std::ofstream(in_folder("text.so")) << "not a shared object";
  for (const std::string& path : {in_folder("text.so"), in_folder("none.so")}) {
    const Outcome outcome = adder({"devices", "--plugin", path});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.out, HasSubstr("not usable: "));
    EXPECT_THAT(outcome.out, HasSubstr(path));
    EXPECT_THAT(outcome.err, HasSubstr("error: no usable plugin"));
  }
}

TEST_F(Devices, TuningSaysWhatWasChosenAndFromWhat) {
  need_plugin();
  const Process::Environment own{{"ADDER_CACHE", in_folder("cache")}, {"ADDER_NO_TUNE", "0"}};
  EXPECT_THAT(adder({"devices", "--tuning"}, own).out, HasSubstr("nothing was measured yet"));
  const Outcome run = adder({"generate", "-m", demo_model(), "--ids", "5", "-n", "1"}, own);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Outcome text = adder({"devices", "--tuning"}, own);
  EXPECT_THAT(text.out, HasSubstr("f32[512,256]"));
  const Json tuning =
      parse_json(adder({"devices", "--tuning", "--json"}, own).out, "stdout").value()["tuning"];
  ASSERT_EQ(tuning.size(), 4U);
  for (const Json& e : tuning) EXPECT_TRUE(e["microseconds"].contains(e["chosen"].get<std::string>()));
}

}  // namespace
}  // namespace adder::test
