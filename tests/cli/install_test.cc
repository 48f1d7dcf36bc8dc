#include <fstream>

#include "base/testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Installed = CliTest;

TEST_F(Installed, TheProgramFindsItsPluginWhereverTheTreeLies) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a build with sanitizers has no install rules";
#endif
  if (std::string(ADDER_PLUGIN_DIR).empty()) GTEST_SKIP() << "configured without ADDER_PLUGIN_DIR";
  const std::filesystem::path first = folder() / "first", moved = folder() / "moved" / "tree";
  const Outcome installed =
      Process(ADDER_CMAKE, {"--install", ADDER_BUILD_DIR, "--prefix", first.string()}, {}).wait();
  ASSERT_EQ(installed.exit_code, 0) << installed.err;
  std::filesystem::create_directories(moved.parent_path());
  std::filesystem::rename(first, moved);
  const Process::Environment own{{"ADDER_PLUGIN", "cpu"},
                                 {"ADDER_PLUGIN_PATH", ""},
                                 {"VIRTUAL_ENV", ""},
                                 {"PJRT_NAMES_AND_LIBRARY_PATHS", ""},
                                 {"ADDER_CACHE", ADDER_TEST_CACHE},
                                 {"ADDER_NO_TUNE", "1"}};
  const Outcome devices = Process(moved / "bin/adder", {"devices", "--json"}, own).wait();
  ASSERT_EQ(devices.exit_code, 0) << devices.err;
  const Json plugin = parse_json(devices.out, "stdout").value()["plugins"][0];
  EXPECT_THAT(plugin["path"].get<std::string>(), StartsWith((moved / "lib/adder/plugins").string()));
  const Outcome text = Process(moved / "bin/adder",
                               {"generate", "-m", (moved / "share/adder/models/austen-3.6m").string(), "-p",
                                "It is a truth", "-n", "4", "--temp", "0"},
                               own)
                           .wait();
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("It is a truth"));
  const Outcome needs = Process("/usr/bin/ldd", {(moved / "bin/adder").string()}, {}).wait();
  for (const std::string library :
       {"fmt", "spdlog", "zip"})  // each distribution calls their packages otherwise
    EXPECT_THAT(needs.out,
                ::testing::ContainsRegex("lib" + library + "\\.so[^\n]* => [^\n]*/lib/adder/runtime/"));
}

TEST_F(Installed, TheManualAndTheCompletionsNameEveryCommand) {
  const std::filesystem::path manual = std::filesystem::path(ADDER_BUILD_DIR) / "manual";
  if (!std::filesystem::exists(manual / "adder.1")) GTEST_SKIP() << "the target adder_manual was not built";
  for (const char* file : {"adder.1", "adder.bash", "_adder", "adder.fish"})
    for (const char* command : {"generate", "forward", "inspect", "devices", "bench", "perplexity", "profile",
                                "convert", "quantize", "pull", "compile"})
      EXPECT_THAT(adder::testing::read_file(manual / file), HasSubstr(command)) << file;
}

TEST_F(Installed, TheVersionIsTheTagsOrElseTheProjects) {
  const std::string tree = in_folder("tree");
  std::filesystem::create_directories(tree);
  std::ofstream(folder() / "print.cmake") << "include(" ADDER_SOURCE_DIR
                                             "/cmake/Version.cmake)\n"
                                             "message(STATUS ${ADDER_VERSION})\n";
  const auto version = [&] {
    return Process(
               ADDER_CMAKE,
               {"-DPROJECT_VERSION=0.1.0", "-DPROJECT_SOURCE_DIR=" + tree, "-P", in_folder("print.cmake")},
               {})
        .wait()
        .out;
  };
  const auto git = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", tree, "-c", "user.name=x", "-c", "user.email=x@localhost"});
    EXPECT_EQ(Process("/usr/bin/env", words, {}).wait().exit_code, 0) << words.back();
  };
  EXPECT_EQ(version(), "-- 0.1.0\n");  // a tarball
  git({"init", "-q"});
  git({"commit", "-q", "--allow-empty", "-m", "one"});
  EXPECT_EQ(version(), "-- 0.1.0\n");  // no tag
  git({"tag", "v0.2.0-rc1"});
  EXPECT_EQ(version(), "-- 0.2.0-rc1\n");
  git({"commit", "-q", "--allow-empty", "-m", "two"});
  EXPECT_THAT(version(), StartsWith("-- 0.2.0-rc1+1.g"));
}

}  // namespace
}  // namespace adder::test
