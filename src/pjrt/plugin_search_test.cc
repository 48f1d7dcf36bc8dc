#include "pjrt/plugin_search.h"

#include <gmock/gmock.h>

#include <map>

#include "base/testing.h"

namespace adder::pjrt {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLammps = "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so";
constexpr const char* kOld = "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so";
constexpr const char* kCuda13 = "jax_plugins/xla_cuda13/xla_cuda_plugin.so";

class PluginSearchTest : public ::testing::Test {
 protected:
  SearchEnvironment environment() const {
    return {.variable = [this](const std::string& name) -> std::optional<std::string> {
              const auto at = variables.find(name);
              return at == variables.end() ? std::nullopt : std::optional(at->second);
            },
            .executable_folder = folder.path() / "build",
            .root = folder.path() / "root"};
  }
  std::string found(std::string_view request) const {
    const auto result = find_plugin(request, environment());
    return result ? std::filesystem::relative(result->path, folder.path()).string() : "";
  }

  adder::testing::TempDirectory folder;
  std::map<std::string, std::string> variables;
};

TEST_F(PluginSearchTest, TakesAPathAsItIs) {
  const auto file = folder.write("my/own.so");
  const auto result = find_plugin(file.string(), environment());
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->path, file);
  EXPECT_EQ(result->source, "path");
  const auto missing = find_plugin("plugin_here.so", environment());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("plugin_here.so: no such file"));
}

TEST_F(PluginSearchTest, ReadsJaxsVariable) {
  variables["PJRT_NAMES_AND_LIBRARY_PATHS"] =
      "mine:" + folder.write("a/mine.so").string() + ",cuda:" + folder.write("a/c.so").string() + ",broken";
  folder.write("build/plugins/" + std::string(kLammps));
  EXPECT_EQ(found("mine"), "a/mine.so");
  EXPECT_EQ(found("MINE"), "a/mine.so");
  EXPECT_EQ(found("cuda"), "a/c.so");
  EXPECT_EQ(found("gpu"), "a/c.so");
  EXPECT_EQ(found("cpu"), "build/plugins/" + std::string(kLammps));
  EXPECT_THAT(describe(search_plugins("", environment())), HasSubstr("expected name:path, got \"broken\""));
}

TEST_F(PluginSearchTest, PrefersTheEarlierSource) {
  folder.write("root/usr/lib/python3/dist-packages/" + std::string(kLammps));
  EXPECT_EQ(found("cpu"), "root/usr/lib/python3/dist-packages/" + std::string(kLammps));
  variables["HOME"] = (folder.path() / "home").string();
  folder.write("home/.local/lib/python3.11/site-packages/" + std::string(kLammps));
  EXPECT_EQ(found("cpu"), "home/.local/lib/python3.11/site-packages/" + std::string(kLammps));
  variables["VIRTUAL_ENV"] = (folder.path() / "venv").string();
  folder.write("venv/lib/python3.12/site-packages/" + std::string(kLammps));
  EXPECT_EQ(found("cpu"), "venv/lib/python3.12/site-packages/" + std::string(kLammps));
  folder.write("build/plugins/lammps-jax-pjrt-cpu/" + std::string(kLammps));
  EXPECT_EQ(found("cpu"), "build/plugins/lammps-jax-pjrt-cpu/" + std::string(kLammps));
  variables["ADDER_PLUGIN_PATH"] = "/nowhere:" + (folder.path() / "p").string();
  folder.write("p/" + std::string(kOld));
  EXPECT_EQ(found("cpu"), "p/" + std::string(kOld));
}

TEST_F(PluginSearchTest, PrefersTheBetterPluginInOneFolder) {
  folder.write("build/plugins/" + std::string(kOld));
  EXPECT_EQ(found("cpu"), "build/plugins/" + std::string(kOld));
  folder.write("build/plugins/lammps_jax_pjrt_cpu-0.11.2/" + std::string(kLammps));
  EXPECT_EQ(found("cpu"), "build/plugins/lammps_jax_pjrt_cpu-0.11.2/" + std::string(kLammps));
  EXPECT_EQ(found(""), "build/plugins/lammps_jax_pjrt_cpu-0.11.2/" + std::string(kLammps));
}

TEST_F(PluginSearchTest, KnowsWheelsModulesAndPlatforms) {
  folder.write("build/plugins/" + std::string(kLammps));
  folder.write("build/plugins/" + std::string(kOld));
  folder.write("build/plugins/" + std::string(kCuda13));
  folder.write("build/plugins/jax_plugins/intel_oneapi/pjrt_plugin_oneapi.so");
  for (const char* name : {"xla-cpu-pjrt", "xla_cpu_pjrt", "XLA-CPU-PJRT"})
    EXPECT_EQ(found(name), "build/plugins/" + std::string(kOld)) << name;
  for (const char* name : {"cuda", "gpu", "jax-cuda13-pjrt", "xla_cuda13"})
    EXPECT_EQ(found(name), "build/plugins/" + std::string(kCuda13)) << name;
  EXPECT_EQ(found("oneapi"), "build/plugins/jax_plugins/intel_oneapi/pjrt_plugin_oneapi.so");
  EXPECT_EQ(found("rocm"), "");
}

TEST_F(PluginSearchTest, FindsABareFile) {
  variables["ADDER_PLUGIN_PATH"] = (folder.path() / "p").string();
  folder.write("p/libpjrt_cpu.so");
  EXPECT_EQ(found("cpu"), "p/libpjrt_cpu.so");
}

TEST_F(PluginSearchTest, SaysWhatItTried) {
  std::filesystem::create_directories(folder.path() / "build/plugins" / kCuda13);  // a folder, not a file
  const auto result = find_plugin("cuda", environment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
  EXPECT_THAT(result.error().message, HasSubstr(std::string(kCuda13) + ": not a regular file"));
  EXPECT_THAT(result.error().hint, HasSubstr("ADDER_PLUGIN_PATH"));
}

struct Lines : LogSink {
  bool enabled(LogLevel) const override { return true; }
  void log(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

// Who asked for a GPU got a page of paths.
TEST_F(PluginSearchTest, WithoutAPluginItSaysWhatInHowManyPlacesAndHowToGetOne) {
  variables["ADDER_PLUGIN_PATH"] = "/nowhere";
  Lines log;
  const auto result = find_plugin("cuda", environment(), log);
  ASSERT_FALSE(result);
  const auto places = search_plugins("cuda", environment()).size();
  EXPECT_EQ(result.error().message,
            "plugin \"cuda\": none found: looked for jax-cuda12-pjrt, jax-cuda13-pjrt, xla-cuda12-pjrt, "
            "xla-cuda13-pjrt in " +
                std::to_string(places) + " places (-v lists them)");
  EXPECT_THAT(result.error().hint,
              HasSubstr("pip install 'jax-cuda13-plugin[with-cuda]==0.11.2'  # Python 3.12"));
  ASSERT_EQ(log.lines.size(), places);
  EXPECT_THAT(log.lines.front(), HasSubstr("/nowhere/" + std::string(kCuda13) + ": no such file"));
}

TEST_F(PluginSearchTest, EachPlatformHasItsInstallLine) {
  for (const auto& [request, wheel] : {std::pair{"cuda", "'jax-cuda13-plugin[with-cuda]==0.11.2'"},
                                       {"gpu", "'jax-cuda13-plugin[with-cuda]==0.11.2'"},
                                       {"xla_cuda13", "'jax-cuda13-plugin[with-cuda]==0.11.2'"},
                                       {"rocm", "jax-rocm7-pjrt"},
                                       {"oneapi", "jax-oneapi-pjrt"},
                                       {"tpu", "libtpu==0.0.52"},
                                       {"cpu", "lammps-jax-pjrt-cpu==0.11.2"},
                                       {"", "lammps-jax-pjrt-cpu==0.11.2"}})
    EXPECT_THAT(install_line(request), HasSubstr(std::string(" pip install ") + wheel)) << request;
}

TEST_F(PluginSearchTest, ListsTheNamesItKnows) {
  const auto result = find_plugin("qpu", environment());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("\"qpu\""));
  EXPECT_THAT(result.error().hint, HasSubstr("lammps-jax-pjrt-cpu"));
}

}  // namespace
}  // namespace adder::pjrt
