#include "pjrt/executable_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "base/testing.h"
#include "pjrt/plugin_fixture.h"

namespace adder::pjrt {
namespace {

namespace fs = std::filesystem;
const CacheKey kKey{"plugin a\n", "module {}"};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(ExecutableCacheTest, ReturnsWhatWasStored) {
  const adder::testing::TempDirectory folder;
  ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path() / "deep" / "down"));
  EXPECT_EQ(cache.load(kKey), std::nullopt);
  const std::string payload("bytes\0and more", 14);
  ASSERT_TRUE(cache.store(kKey, payload));
  EXPECT_EQ(cache.load(kKey), payload);
  ASSERT_TRUE(cache.store(kKey, "newer"));
  EXPECT_EQ(cache.load(kKey), "newer");
  EXPECT_EQ(std::distance(fs::directory_iterator(cache.folder()), {}), 1) << "a temporary file was left";
  EXPECT_EQ(fs::status(cache.folder()).permissions(), fs::perms::owner_all);
}

TEST(ExecutableCacheTest, WhatIsNoRegularFileIsAMissAndNeverWaitedFor) {
  const adder::testing::TempDirectory folder;
  ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
  const fs::path file = cache.file_of(kKey);
  fs::create_directory(file);
  EXPECT_EQ(cache.load(kKey), std::nullopt);
  std::ofstream(file / "mine") << "x";
  const Status stored = cache.store(kKey, "payload");
  ASSERT_FALSE(stored);
  EXPECT_THAT(stored.error().message, ::testing::HasSubstr(file.string()));
  EXPECT_EQ(std::distance(fs::directory_iterator(cache.folder()), {}), 1) << "a temporary file was left";
  fs::remove_all(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(cache.load(kKey), std::nullopt);
  ASSERT_TRUE(cache.store(kKey, "payload")) << "a FIFO is replaced";
  EXPECT_EQ(cache.load(kKey), "payload");
  fs::remove(file);
  fs::create_symlink("/dev/zero", file);
  EXPECT_EQ(cache.load(kKey), std::nullopt);
}

TEST(ExecutableCacheTest, BeyondTheLimitTheLeastRecentlyUsedGo) {
  const adder::testing::TempDirectory folder;
  ADDER_ASSERT_OK(const auto unlimited, ExecutableCache::open(folder.path(), 0));
  const std::string payload(1000, 'x');
  const auto key = [](int i) { return CacheKey{"plugin a\n", "module " + std::to_string(i)}; };
  const auto start = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(unlimited.store(key(i), payload));
    fs::last_write_time(unlimited.file_of(key(i)), start + std::chrono::seconds(i));
  }
  std::ofstream(folder.path() / "tuning.json") << std::string(5000, ' ');
  EXPECT_EQ(unlimited.load(key(0)), payload);  // now the one used last
  ADDER_ASSERT_OK(const auto limited, ExecutableCache::open(folder.path(), 3500));
  ASSERT_TRUE(limited.store(key(4), payload));
  std::vector<int> left;
  for (int i = 0; i < 5; ++i)
    if (fs::exists(limited.file_of(key(i)))) left.push_back(i);
  EXPECT_EQ(left, (std::vector<int>{0, 3, 4}));
  EXPECT_TRUE(fs::exists(folder.path() / "tuning.json"));
  ADDER_ASSERT_OK(const auto tiny, ExecutableCache::open(folder.path(), 10));
  ASSERT_TRUE(tiny.store(key(5), payload));
  EXPECT_EQ(tiny.load(key(5)), payload) << "the new one always stays";
  EXPECT_EQ(tiny.load(key(4)), std::nullopt);
}

TEST(ExecutableCacheTest, MissesUnderAnyOtherKey) {
  const adder::testing::TempDirectory folder;
  ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
  ASSERT_TRUE(cache.store(kKey, "payload"));
  EXPECT_EQ(cache.load({kKey.context, "module { }"}), std::nullopt);
  EXPECT_EQ(cache.load({"plugin b\n", kKey.program}), std::nullopt);
  EXPECT_NE(cache.file_of({"ab", "c"}), cache.file_of({"a", "bc"}));
  // A file under the right name but of another key, as after a hash collision.
  const CacheKey same_size{"plugin b\n", kKey.program};
  fs::copy_file(cache.file_of(kKey), cache.file_of(same_size));
  EXPECT_EQ(cache.load(same_size), std::nullopt);
}

TEST(ExecutableCacheTest, MissesOnEveryDamagedByteAndEveryCut) {
  const adder::testing::TempDirectory folder;
  ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
  ASSERT_TRUE(cache.store(kKey, "payload"));
  const fs::path file = cache.file_of(kKey);
  const std::string whole = read(file);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x80);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged;
    EXPECT_EQ(cache.load(kKey), std::nullopt) << "byte " << i;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << whole.substr(0, i);
    EXPECT_EQ(cache.load(kKey), std::nullopt) << "cut at " << i;
  }
  std::ofstream(file, std::ios::binary | std::ios::trunc) << whole << "x";
  EXPECT_EQ(cache.load(kKey), std::nullopt);
  ASSERT_TRUE(cache.store(kKey, "payload"));
  EXPECT_EQ(cache.load(kKey), "payload");
}

TEST(ExecutableCacheTest, HashesWithFnv1a) {
  EXPECT_EQ((CacheKey{"", ""}).hash(), 0xaf63bd4c8601b7dfu);  // of the one separating zero byte
}

TEST(ExecutableCacheTest, SaysWhenTheFolderCannotBe) {
  const adder::testing::TempDirectory folder;
  const auto file = folder.write("file");
  EXPECT_FALSE(ExecutableCache::open(file));
  EXPECT_FALSE(ExecutableCache::open(file / "below"));
  ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path() / "gone"));
  fs::remove(cache.folder());
  EXPECT_FALSE(cache.store(kKey, "payload"));
  EXPECT_EQ(cache.load(kKey), std::nullopt);
}

TEST(ExecutableCacheTest, IdentifiesTheProcessor) {
  const char* cpuinfo =
      "processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 2100.5\nflags\t\t: fpu avx2\n\n"
      "processor\t: 1\nmodel name\t: Some CPU\n";
  EXPECT_EQ(cpu_identity(cpuinfo), "model name\t: Some CPU\nflags\t\t: fpu avx2\n");
  EXPECT_EQ(cpu_identity("processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd40"),
            "Features\t: fp asimd\nCPU part\t: 0xd40\n");
  EXPECT_EQ(cpu_identity(""), "");
}

using CompileCachedTest = OnPlugins;

TEST_F(CompileCachedTest, HitsTheSecondTime) {
  on_each([](const Client& client) {
    const adder::testing::TempDirectory folder;
    ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
    ADDER_ASSERT_OK(auto first, compile_cached(client, kAdd, {}, &cache));
    EXPECT_FALSE(first.hit);
    EXPECT_FALSE(first.not_stored) << first.not_stored->to_string();
    ADDER_ASSERT_OK(auto second, compile_cached(client, kAdd, {}, &cache));
    EXPECT_TRUE(second.hit);
    EXPECT_EQ(client.stats().compilations, 1);
    EXPECT_EQ(client.stats().cache_hits, 1);

    const std::array<float, 4> values{1, 2, 3, 4};
    ADDER_ASSERT_OK(auto x, client.to_device(std::span<const float>(values), {DType::f32, {4}}));
    const std::array<const Buffer*, 2> arguments{&x, &x};
    ADDER_ASSERT_OK(auto outputs, second.executable.execute(arguments));
    ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
    EXPECT_THAT(sum, ::testing::ElementsAre(2, 4, 6, 8));
    EXPECT_FALSE(second.executable.execute({})) << "a cached executable checks its arguments too";
  });
}

TEST_F(CompileCachedTest, MissesWithOtherOptionsOrNoCache) {
  on_each([](const Client& client) {
    const adder::testing::TempDirectory folder;
    ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
    ADDER_ASSERT_OK(auto first, compile_cached(client, kAdd, {}, &cache));
    const auto options = CompileOptions::for_device(client.default_device().id());
    ADDER_ASSERT_OK(auto second, compile_cached(client, kAdd, options, &cache));
    EXPECT_FALSE(second.hit);
    ADDER_ASSERT_OK(auto third, compile_cached(client, kAdd, {}, nullptr));
    EXPECT_FALSE(third.hit);
    EXPECT_EQ(client.stats().compilations, 3);
  });
}

TEST_F(CompileCachedTest, RecompilesWhatThePluginRefuses) {
  on_each([](const Client& client) {
    const adder::testing::TempDirectory folder;
    ADDER_ASSERT_OK(const auto cache, ExecutableCache::open(folder.path()));
    const CacheKey key = make_cache_key(client, kAdd, {});
    ASSERT_TRUE(cache.store(key, "not an executable"));
    ADDER_ASSERT_OK(auto compiled, compile_cached(client, kAdd, {}, &cache));
    EXPECT_FALSE(compiled.hit);
    ADDER_ASSERT_OK(auto again, compile_cached(client, kAdd, {}, &cache));
    EXPECT_TRUE(again.hit);
  });
}

}  // namespace
}  // namespace adder::pjrt
