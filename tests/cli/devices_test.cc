#include <signal.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "base/testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;

using Devices = CliTest;

TEST_F(Devices, ListsAPluginWithItsDevices) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const Json result = json({"devices", "--plugin", test_plugin()});
  ASSERT_EQ(result["plugins"].size(), 1u);
  const Json& plugin = result["plugins"][0];
  EXPECT_EQ(plugin["path"], test_plugin());
  EXPECT_EQ(plugin["usable"], true);
  EXPECT_EQ(plugin["platform"], "cpu");
  // It listed four, of which a run uses one: the client was made without the platform's options.
  ASSERT_EQ(plugin["devices"].size(), 1u);
  EXPECT_EQ(plugin["default"], true) << "$ADDER_PLUGIN names it";
  EXPECT_EQ(plugin["devices"][0]["default"], true);
  EXPECT_FALSE(result["host"]["cpu"].get<std::string>().empty());
  EXPECT_GT(result["host"]["memory_bytes"], 0);
  const Outcome text = adder({"devices", "--plugin", test_plugin()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("platform cpu, PJRT API 0."));
  EXPECT_THAT(text.out, HasSubstr("device 0: "));
  EXPECT_THAT(text.out, HasSubstr("  (default)\n"));
  EXPECT_THAT(text.out, ::testing::StartsWith("CPU: "));
}

// Asking for a GPU without having a plugin gave a page of paths.
TEST_F(Devices, WithoutAGpusPluginTheAnswerIsHowToGetOne) {
  const Process::Environment bare{
      {"HOME", in_folder("home")},           {"VIRTUAL_ENV", in_folder("venv")},
      {"CONDA_PREFIX", in_folder("conda")},  {"PYENV_ROOT", in_folder("pyenv")},
      {"ADDER_PLUGIN_PATH", in_folder("p")}, {"PJRT_NAMES_AND_LIBRARY_PATHS", ""}};
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"devices", "--plugin", "rocm"},
        {"generate", "-m", demo_model(), "-p", "It", "--plugin", "rocm"}}) {
    const Outcome outcome = adder(words, bare);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("error: plugin \"rocm\": none found: looked for jax-rocm10-pjrt, "
                                       "jax-rocm7-pjrt in "));
    EXPECT_THAT(outcome.err, HasSubstr(" places (-v lists them)\nhint: "));
    EXPECT_THAT(outcome.err, HasSubstr("pip install jax-rocm7-pjrt\n"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3) << outcome.err;
  }
  const Outcome verbose = adder({"generate", "-m", demo_model(), "-p", "It", "--plugin", "rocm", "-v"}, bare);
  EXPECT_THAT(verbose.err,
              HasSubstr(in_folder("p") + "/jax_plugins/xla_rocm7/xla_rocm_plugin.so: no such file"));
}

// The line in the message had no version, and got another one than was tried.
TEST_F(Devices, TheInstallLineNamesTheVersionThatTheGuideHas) {
  const Outcome outcome = adder({"devices", "--plugin", "cuda"}, {{"HOME", in_folder("home")},
                                                                  {"VIRTUAL_ENV", in_folder("venv")},
                                                                  {"CONDA_PREFIX", in_folder("conda")},
                                                                  {"PYENV_ROOT", in_folder("pyenv")}});
  if (outcome.exit_code == 0) GTEST_SKIP() << "a CUDA plugin is installed here";
  static const std::regex kWheel("pip install ('[^']+==[0-9.]+')");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(outcome.err, found, kWheel)) << outcome.err;
  const std::string guide =
      adder::testing::read_file(std::filesystem::path(ADDER_SOURCE_DIR) / "docs/GPU.md");
  EXPECT_THAT(guide, HasSubstr("pip install " + found[1].str() + "\n"));
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

TEST_F(Devices, TuningSaysWhatWasChosenAndFromWhatAndForgetsIt) {
  need_plugin();
  if (IsSkipped()) return;
  const Process::Environment own{{"ADDER_CACHE", in_folder("cache")}};
  EXPECT_THAT(adder({"devices", "--tuning"}, own).out, HasSubstr("nothing was autotuned yet"));
  const Outcome run = adder({"devices", "--retune", "-m", demo_model(), "--dtype", "f32"}, own);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("f32[512,256]"));
  EXPECT_EQ(adder({"devices", "--tuning"}, own).out, run.out);
  const Json tuning =
      parse_json(adder({"devices", "--tuning", "--json"}, own).out, "stdout").value()["tuning"];
  ASSERT_EQ(tuning.size(), 4U);
  for (const Json& e : tuning) {
    if (e["chosen"].is_null())  // this machine is busy
      EXPECT_EQ(e["unsteady"], 1);
    else
      EXPECT_TRUE(e["microseconds"].contains(e["chosen"].get<std::string>()));
  }
  EXPECT_THAT(adder({"devices", "--retune"}, own).err, HasSubstr("4 measured products forgotten"));
  EXPECT_THAT(adder({"devices", "--tuning"}, own).out, HasSubstr("nothing was autotuned yet"));
  expect_failure(adder({"devices", "-m", demo_model()}), 2, "-m goes with --retune");
}

// Ctrl-C was heard when all was measured.
TEST_F(Devices, AnInterruptEndsAutotuning) {
  need_plugin();
  if (IsSkipped()) return;
  Process process = start({"devices", "--retune", "-m", demo_model(), "--dtype", "f32", "-v"},
                          {{"ADDER_CACHE", in_folder("cache")}});
  ASSERT_TRUE(process.wait_for_error("autotuning f32[", std::chrono::seconds(120)));
  process.send(SIGINT);
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped while autotuning"));
}

}  // namespace
}  // namespace adder::test
