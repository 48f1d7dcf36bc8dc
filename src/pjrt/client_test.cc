#include "pjrt/client.h"

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <future>
#include <new>
#include <numeric>
#include <thread>

#include "pjrt/plugin_fixture.h"

namespace adder::pjrt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ClientTest = OnPlugins;

constexpr auto kPatience = std::chrono::seconds(60);  // only ever reached by a failing test

TEST_F(ClientTest, DescribesItselfAndItsDevices) {
  on_each([](const Client& client) {
    EXPECT_FALSE(client.platform_name().empty());
    EXPECT_THAT(client.description(), HasSubstr(client.plugin().path().string()));
    ASSERT_FALSE(client.devices().empty());
    EXPECT_EQ(client.devices().front().id(), client.default_device().id());
    EXPECT_FALSE(client.default_device().kind().empty());
    const auto memory = client.default_device().memory_stats();
    if (memory)
      EXPECT_GE(memory->bytes_in_use, 0);
    else
      EXPECT_EQ(memory.error().code, ErrorCode::unsupported) << memory.error().to_string();
  });
}

TEST_F(ClientTest, PassesOptionsToThePlugin) {
  on_each(
      [](const Client& client) {
        if (client.platform_name() != "cpu") return;
        ASSERT_EQ(client.devices().size(), 3u);
        const std::array<float, 2> values{1, 2};
        ADDER_ASSERT_OK(auto on_first, client.to_device(std::span<const float>(values), {DType::f32, {2}}));
        ADDER_ASSERT_OK(auto on_last, on_first.copy_to_device(client.devices()[2]));
        on_first = Buffer();
        ADDER_ASSERT_OK(const auto copied, on_last.to_host<float>());
        EXPECT_THAT(copied, ElementsAre(1, 2));
        EXPECT_EQ(client.stats().device_to_device, 1);
        // A program for the last device takes buffers there.
        const auto options = CompileOptions::for_device(client.devices()[2].id());
        ADDER_ASSERT_OK(auto add, client.compile(kAdd, options));
        const std::array<float, 4> four{1, 2, 3, 4};
        ADDER_ASSERT_OK(auto x, client.to_device(four.data(), {DType::f32, {4}}, client.devices()[2]));
        const std::array<const Buffer*, 2> arguments{&x, &x};
        ADDER_ASSERT_OK(auto outputs, add.execute(arguments));
        ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
        EXPECT_THAT(sum, ElementsAre(2, 4, 6, 8));
      },
      {{"cpu_device_count", std::int64_t{3}}});
}

TEST_F(ClientTest, CarriesEveryDTypeThereAndBack) {
  on_each([](const Client& client) {
    for (int i = 0; i <= static_cast<int>(DType::f64); ++i) {
      const Shape shape{static_cast<DType>(i), {2, 3, 5}};
      SCOPED_TRACE(to_string(shape));
      std::vector<std::byte> sent(static_cast<std::size_t>(shape.bytes())), received(sent.size());
      for (std::size_t k = 0; k < sent.size(); ++k)
        sent[k] = static_cast<std::byte>(shape.dtype == DType::i1 ? k % 2 : k * 7 % 120);
      ADDER_ASSERT_OK(auto buffer, client.to_device(sent.data(), shape, client.default_device()));
      ASSERT_TRUE(buffer.read_shape());
      EXPECT_EQ(buffer.shape(), shape);
      ASSERT_TRUE(buffer.to_host(received));
      EXPECT_EQ(sent, received);
      ADDER_ASSERT_OK(const std::int64_t bytes, buffer.on_device_bytes());
      EXPECT_GE(bytes, shape.bytes());
    }
  });
}

TEST_F(ClientTest, CarriesScalarsAndNothing) {
  on_each([](const Client& client) {
    const std::array<std::int64_t, 1> scalar{-5};
    ADDER_ASSERT_OK(auto buffer, client.to_device(std::span<const std::int64_t>(scalar), {DType::s64, {}}));
    ADDER_ASSERT_OK(const auto value, buffer.to_host<std::int64_t>());
    EXPECT_THAT(value, ElementsAre(-5));
    ADDER_ASSERT_OK(auto none, client.to_device(std::span<const float>(), {DType::f32, {0, 4}}));
    ADDER_ASSERT_OK(const auto nothing, none.to_host<float>());
    EXPECT_TRUE(nothing.empty());
  });
}

TEST_F(ClientTest, RefusesHostArraysThatDoNotFit) {
  on_each([](const Client& client) {
    const std::array<float, 3> three{1, 2, 3};
    const std::span<const float> values(three);
    EXPECT_THAT(client.to_device(values, {DType::f32, {2}}).error().message,
                HasSubstr("2 elements, 3 given"));
    EXPECT_THAT(client.to_device(values, {DType::s32, {3}}).error().message,
                HasSubstr("another element type"));
    EXPECT_FALSE(client.to_device(values, {DType::f32, {-3}}));
    EXPECT_FALSE(client.to_device(values, {DType::f32, {1 << 30, 1 << 30, 1 << 30}}));
    EXPECT_FALSE(client.to_device(nullptr, {DType::f32, {2}}, client.default_device()));
    ADDER_ASSERT_OK(auto buffer, client.to_device(values, {DType::f32, {3}}));
    EXPECT_THAT(buffer.to_host<std::int32_t>().error().message,
                HasSubstr("f32[3], but was asked for as s32"));
    std::array<std::byte, 11> small;
    EXPECT_THAT(buffer.to_host(small).error().message, HasSubstr("needs 12 bytes, 11 given"));
    EXPECT_EQ(Buffer().to_host<float>().error().code, ErrorCode::failed_precondition);
    EXPECT_EQ(Buffer().is_deleted().error().code, ErrorCode::failed_precondition);
  });
}

TEST_F(ClientTest, UploadsWhileTheHostWaits) {
  on_each([](const Client& client) {
    std::vector<float> values(1 << 20);
    std::iota(values.begin(), values.end(), 0.0f);
    const Shape shape{DType::f32, {1 << 20}};
    ADDER_ASSERT_OK(auto upload, client.to_device_async(values.data(), shape, client.default_device()));
    ASSERT_TRUE(upload.host_done.wait());
    const std::vector<float> expected = values;
    std::fill(values.begin(), values.end(), -1.0f);
    std::vector<float> received(values.size());
    ADDER_ASSERT_OK(auto event, upload.buffer.to_host_async(std::as_writable_bytes(std::span(received))));
    upload.buffer = Buffer();  // the copy goes on
    ASSERT_TRUE(event.wait());
    EXPECT_EQ(received, expected);
  });
}

TEST_F(ClientTest, KeepsTheOwnerOfZeroCopyMemory) {
  on_each([](const Client& client) {
    constexpr std::size_t kCount = 1 << 16;
    std::promise<void> freed;
    auto* memory = static_cast<float*>(::operator new(kCount * sizeof(float), std::align_val_t(64)));
    std::fill_n(memory, kCount, 3.0f);
    std::shared_ptr<const float> owner(memory, [&freed](const float* p) {
      ::operator delete(const_cast<float*>(p), std::align_val_t(64));
      freed.set_value();
    });
    const std::weak_ptr<const float> watch = owner;
    ADDER_ASSERT_OK(auto buffer, client.to_device_zero_copy(std::move(owner), {DType::f32, {1 << 16}},
                                                            client.default_device()));
    EXPECT_TRUE(client.platform_name() != "cpu" || !watch.expired()) << "it was copied";
    ADDER_ASSERT_OK(const auto values, buffer.to_host<float>());
    EXPECT_THAT(values, ::testing::Each(3.0f));
    buffer = Buffer();
    EXPECT_EQ(freed.get_future().wait_for(kPatience), std::future_status::ready);
  });
}

TEST_F(ClientTest, CopiesZeroCopyMemoryWhenItIsDonated) {
  on_each([](const Client& client) {
    alignas(64) static std::array<float, 1024> memory;
    memory.fill(1.0f);
    const std::shared_ptr<const void> unowned(std::shared_ptr<void>(), memory.data());
    const Shape shape{DType::f32, {1024}};
    ADDER_ASSERT_OK(auto state, client.to_device_zero_copy(unowned, shape, client.default_device()));
    ADDER_ASSERT_OK(auto program, client.compile(kDonate));
    ADDER_ASSERT_OK(auto step, client.to_device(memory.data(), shape, client.default_device()));
    const std::array<const Buffer*, 2> arguments{&state, &step};
    ADDER_ASSERT_OK(auto outputs, program.execute(arguments));
    ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
    EXPECT_THAT(sum, ::testing::Each(2.0f));
    EXPECT_THAT(memory, ::testing::Each(1.0f)) << "the host's memory was written to";
  });
}

TEST_F(ClientTest, ReadsRowMajorWhateverTheDevicesLayout) {
  on_each([](const Client& client) {
    if (client.plugin().api_version().minor < 106) return;  // see Buffer::to_host_async
    ADDER_ASSERT_OK(auto program, client.compile(R"(module {
      func.func public @main(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32> {mhlo.layout_mode = "{0,1}"}) {
        %0 = stablehlo.negate %arg0 : tensor<2x3xf32>
        return %0 : tensor<2x3xf32>
      }
    })"));
    const std::array<float, 6> values{1, 2, 3, 4, 5, 6};
    ADDER_ASSERT_OK(auto x, client.to_device(std::span<const float>(values), {DType::f32, {2, 3}}));
    const std::array<const Buffer*, 1> arguments{&x};
    ADDER_ASSERT_OK(auto outputs, program.execute(arguments));
    ADDER_ASSERT_OK(const auto out, outputs[0].to_host<float>());
    EXPECT_THAT(out, ElementsAre(-1, -2, -3, -4, -5, -6));
  });
}

TEST_F(ClientTest, CallsBackWhenReady) {
  on_each([](const Client& client) {
    const std::array<float, 2> values{1, 2};
    ADDER_ASSERT_OK(auto x, client.to_device(std::span<const float>(values), {DType::f32, {2}}));
    std::promise<bool> called;
    {
      ADDER_ASSERT_OK(const auto event, x.ready());
      ASSERT_TRUE(event.on_ready([&](const Status& status) { called.set_value(status.has_value()); }));
    }
    auto outcome = called.get_future();
    ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(outcome.get());
    ASSERT_TRUE(x.release());
    ADDER_ASSERT_OK(const bool deleted, x.is_deleted());
    EXPECT_TRUE(deleted);
    EXPECT_TRUE(Event().wait());
  });
}

TEST_F(ClientTest, CountsTransfersAndExecutions) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto add, client.compile(kAdd));
    const std::array<float, 4> values{1, 2, 3, 4};
    ADDER_ASSERT_OK(auto x, client.to_device(std::span<const float>(values), {DType::f32, {4}}));
    const StatsSnapshot before = client.stats();
    EXPECT_EQ(before, (StatsSnapshot{.host_to_device = 1, .host_to_device_bytes = 16, .compilations = 1}));
    const std::array<const Buffer*, 2> arguments{&x, &x};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(add.execute(arguments));
    ADDER_ASSERT_OK(auto outputs, add.execute(arguments));
    ASSERT_TRUE(outputs[0].to_host<float>());
    EXPECT_EQ(client.stats() - before,
              (StatsSnapshot{.device_to_host = 1, .device_to_host_bytes = 16, .executions = 4}));
    EXPECT_FALSE(add.execute({}));
    EXPECT_EQ(client.stats().executions, 4) << "a refused call is not an execution";
  });
}

TEST_F(ClientTest, WorksFromManyThreads) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(const auto add, client.compile(kAdd));
    std::vector<std::thread> threads;
    std::array<int, 4> right{};
    for (std::size_t t = 0; t < right.size(); ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const std::array<float, 4> values{static_cast<float>(t), static_cast<float>(i), 0, 1};
          auto x = client.to_device(std::span<const float>(values), {DType::f32, {4}});
          if (!x) return;
          const std::array<const Buffer*, 2> arguments{&*x, &*x};
          auto outputs = add.execute(arguments);
          if (!outputs) return;
          const auto sum = (*outputs)[0].to_host<float>();
          if (sum && (*sum)[0] == 2 * values[0] && (*sum)[1] == 2 * values[1]) ++right[t];
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(right, ::testing::Each(20));
    EXPECT_EQ(client.stats().executions, 80);
  });
}

}  // namespace
}  // namespace adder::pjrt
