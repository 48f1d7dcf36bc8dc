#include "pjrt/profiler.h"

#include <gmock/gmock.h>

#include "pjrt/plugin_fixture.h"
#include "pjrt/profiler_extension.h"

// The call path against a hand-made extension: none of the pinned plugins has one.
namespace adder::pjrt {
struct PluginProfilerError {
  std::string message;
};

namespace {

PJRT_Api api_with(PJRT_Extension_Base* extension) {
  PJRT_Api api;
  std::memset(&api, 0, sizeof(api));
  api.struct_size = PJRT_Api_STRUCT_SIZE;
  api.extension_start = extension;
  return api;
}

ProfilerTable full_table() {
  ProfilerTable table;
  std::memset(&table, 0, sizeof(table));
  table.struct_size = sizeof(table);
  table.create = [](ProfilerCreateArgs*) -> PluginProfilerError* { return nullptr; };
  table.destroy = [](ProfilerSessionArgs*) -> PluginProfilerError* { return nullptr; };
  table.start = table.destroy;
  table.stop = table.destroy;
  table.collect_data = [](ProfilerCollectArgs*) -> PluginProfilerError* { return nullptr; };
  return table;
}

ProfilerExtension node_with(ProfilerTable* table) {
  ProfilerExtension node;
  std::memset(&node, 0, sizeof(node));
  node.base.struct_size = sizeof(node);
  node.base.type = PJRT_Extension_Type_Profiler;
  node.table = table;
  return node;
}

TEST(ProfilerExtensionTest, IsFoundBehindOthers) {
  ProfilerTable table = full_table();
  ProfilerExtension profiler = node_with(&table);
  PJRT_Extension_Base first{sizeof(PJRT_Extension_Base), PJRT_Extension_Type_Stream, &profiler.base};
  const PJRT_Api api = api_with(&first);
  EXPECT_EQ(find_profiler(&api), &table);
}

TEST(ProfilerExtensionTest, IsNotTakenWhenShortOrIncomplete) {
  const PJRT_Api none = api_with(nullptr);
  EXPECT_EQ(find_profiler(&none), nullptr);
  ProfilerTable table = full_table();
  ProfilerExtension node = node_with(&table);
  PJRT_Api api = api_with(&node.base);
  node.base.struct_size = sizeof(PJRT_Extension_Base);
  EXPECT_EQ(find_profiler(&api), nullptr);
  node = node_with(nullptr);
  EXPECT_EQ(find_profiler(&api), nullptr);
  node = node_with(&table);
  table.struct_size = sizeof(table) - 1;
  EXPECT_EQ(find_profiler(&api), nullptr);
  table = full_table();
  table.collect_data = nullptr;
  EXPECT_EQ(find_profiler(&api), nullptr);
}

TEST(ProfilerExtensionTest, EndsOnAChainThatBitesItsTail) {
  PJRT_Extension_Base node{sizeof(PJRT_Extension_Base), PJRT_Extension_Type_Stream, nullptr};
  node.next = &node;
  const PJRT_Api api = api_with(&node);
  EXPECT_EQ(find_profiler(&api), nullptr);
}

class ProfilerTest : public OnPlugins {};

TEST_F(ProfilerTest, RecordsOrSaysThatItCannot) {
  on_each([](const Client& client) {
    auto profiler = Profiler::start(client.plugin());
    if (!has_profiler(client.plugin())) {
      ASSERT_FALSE(profiler);
      EXPECT_EQ(profiler.error().code, ErrorCode::unsupported);
      EXPECT_THAT(profiler.error().message, ::testing::HasSubstr("no profiler"));
      return;
    }
    ASSERT_TRUE(profiler) << profiler.error().to_string();
    ADDER_ASSERT_OK(const std::string bytes, profiler->stop());
    EXPECT_FALSE(profiler->stop());
  });
}

}  // namespace
}  // namespace adder::pjrt
