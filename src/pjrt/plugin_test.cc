#include "pjrt/plugin.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "base/testing.h"
#include "pjrt/plugin_fixture.h"
#include "pjrt/topology.h"

namespace adder::pjrt {
namespace {

using ::testing::HasSubstr;

Error open_error(const std::filesystem::path& path) {
  const auto plugin = Plugin::open(path);
  EXPECT_FALSE(plugin) << path << " opened as a plugin";
  return plugin ? Error{} : plugin.error();
}

TEST(PluginTest, SaysThatAFileIsMissing) {
  const Error error = open_error("/nowhere/plugin.so");
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.message, HasSubstr("/nowhere/plugin.so: no such file"));
  EXPECT_FALSE(error.hint.empty());
}

TEST(PluginTest, SaysThatAFolderIsNoPlugin) {
  EXPECT_THAT(open_error("/tmp").message, HasSubstr("not a regular file"));
}

TEST(PluginTest, SaysThatATextFileIsNoSharedObject) {
  const adder::testing::TempDirectory folder;
  for (const char* text : {"", "\x7f", "hello, this is text"}) {
    const Error error = open_error(folder.write("plugin.so", text));
    EXPECT_EQ(error.code, ErrorCode::corrupt);
    EXPECT_THAT(error.message, HasSubstr("not a shared object"));
    EXPECT_FALSE(error.hint.empty());
  }
}

TEST(PluginTest, PassesOnWhatTheLoaderSays) {
  const adder::testing::TempDirectory folder;
  const Error error = open_error(folder.write("plugin.so", std::string("\x7f") + "ELF and then nothing"));
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_THAT(error.message, HasSubstr("dlopen: "));
  EXPECT_FALSE(error.hint.empty());
}

TEST(PluginTest, SaysThatALibraryExportsNoGetPjrtApi) {
  for (const char* path : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"}) {
    if (!std::filesystem::exists(path)) continue;
    const Error error = open_error(path);
    EXPECT_EQ(error.code, ErrorCode::invalid_argument);
    EXPECT_THAT(error.message, HasSubstr("GetPjrtApi"));
    EXPECT_FALSE(error.hint.empty());
  }
}

using PluginOnPlugins = OnPlugins;

TEST_F(PluginOnPlugins, DescribesItself) {
  on_each([](const Client& client) {
    const Plugin& plugin = client.plugin();
    EXPECT_EQ(plugin.api_version().major, header_api_version().major);
    EXPECT_GE(plugin.api_version().minor, 40);
    EXPECT_TRUE(plugin.path().is_absolute());
    EXPECT_THAT(plugin.content(), HasSubstr("api=" + to_string(plugin.api_version())));
    EXPECT_STREQ(std::getenv("TF_CPP_MIN_LOG_LEVEL"), "3");
    EXPECT_THAT(plugin.attributes(), ::testing::Contains(::testing::Field(&NamedValue::name, "xla_version")));
  });
}

TEST_F(PluginOnPlugins, ItsContentIsTheSameWhereverItLies) {
  for (const std::string& path : adder::testing::plugin_paths()) {
    ADDER_ASSERT_OK(const auto plugin, Plugin::open(path));
    EXPECT_THAT(plugin.content(),
                ::testing::StartsWith(fmt::format("size={} content=", std::filesystem::file_size(path))));
    EXPECT_THAT(plugin.content(), ::testing::Not(HasSubstr(plugin.path().filename().string())));
    EXPECT_THAT(plugin.content(), ::testing::Not(HasSubstr(plugin.path().parent_path().string())));
    ADDER_ASSERT_OK(const auto again, Plugin::open(path));
    EXPECT_EQ(plugin.content(), again.content());
  }
}

TEST_F(PluginOnPlugins, NoneIsLoadedThatWouldSearchTheNetwork) {
  for (const std::string& path : adder::testing::plugin_paths()) {
    ADDER_ASSERT_OK(const auto plugin, Plugin::open(path));
    EXPECT_STREQ(std::getenv("TPU_SKIP_MDS_QUERY"), "1");
    EXPECT_STREQ(std::getenv("TPU_WORKER_HOSTNAMES"), "localhost");
  }
}

TEST_F(PluginOnPlugins, ACpuPluginSaysThatItCannotCompileAhead) {
  for (const std::string& path : adder::testing::plugin_paths()) {
    ADDER_ASSERT_OK(const auto plugin, Plugin::open(path));
    const auto topology = Topology::create(plugin, "1x1");
    ASSERT_FALSE(topology);
    EXPECT_THAT(topology.error().message, HasSubstr("cannot compile for a device that is not there"));
    EXPECT_FALSE(topology.error().hint.empty());
  }
}

TEST_F(PluginOnPlugins, OpensTwice) {
  for (const std::string& path : adder::testing::plugin_paths()) {
    ADDER_ASSERT_OK(const auto first, Plugin::open(path));
    ADDER_ASSERT_OK(const auto second, Plugin::open(path));
    EXPECT_EQ(first.api(), second.api());
  }
}

}  // namespace
}  // namespace adder::pjrt
