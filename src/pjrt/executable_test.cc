#include "pjrt/executable.h"

#include <gmock/gmock.h>

#include <array>
#include <numeric>

#include "pjrt/plugin_fixture.h"

namespace adder::pjrt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ExecutableTest = OnPlugins;

const Shape kFour{DType::f32, {4}};
const Shape kWide{DType::f32, {1024}};

Result<Buffer> floats(const Client& client, const std::vector<float>& values) {
  return client.to_device(std::span(values), Shape{DType::f32, {static_cast<std::int64_t>(values.size())}});
}

TEST_F(ExecutableTest, AddsTwoVectors) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto add, client.compile(kAdd));
    EXPECT_EQ(add.num_outputs(), 1);
    EXPECT_THAT(add.name(), HasSubstr("add_two"));
    ASSERT_TRUE(add.output_shapes());
    EXPECT_THAT(*add.output_shapes(), ElementsAre(kFour));
    ADDER_ASSERT_OK(auto x, floats(client, {1, 2, 3, 4}));
    ADDER_ASSERT_OK(auto y, floats(client, {10, 20, 30, 40}));
    const std::array<const Buffer*, 2> arguments{&x, &y};
    Event done;
    ADDER_ASSERT_OK(auto outputs, add.execute(arguments, {.completion = &done}));
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].shape(), kFour);
    ASSERT_TRUE(done.wait());
    ADDER_ASSERT_OK(const bool ready, done.is_ready());
    EXPECT_TRUE(ready);
    ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
    EXPECT_THAT(sum, ElementsAre(11, 22, 33, 44));
    ADDER_ASSERT_OK(const bool deleted, x.is_deleted());
    EXPECT_FALSE(deleted);
  });
}

TEST_F(ExecutableTest, RunsAWhileLoop) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto loop, client.compile(kWhile));
    const std::array<std::int32_t, 1> start{0};
    const std::array<float, 1> one{1};
    ADDER_ASSERT_OK(auto i, client.to_device(std::span<const std::int32_t>(start), {DType::s32, {}}));
    ADDER_ASSERT_OK(auto x, client.to_device(std::span<const float>(one), {DType::f32, {}}));
    const std::array<const Buffer*, 2> arguments{&i, &x};
    ADDER_ASSERT_OK(auto outputs, loop.execute(arguments));
    ADDER_ASSERT_OK(const auto count, outputs[0].to_host<std::int32_t>());
    ADDER_ASSERT_OK(const auto power, outputs[1].to_host<float>());
    EXPECT_THAT(count, ElementsAre(10));
    EXPECT_THAT(power, ElementsAre(1024));
  });
}

TEST_F(ExecutableTest, TakesOverADonatedArgument) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto program, client.compile(kDonate));
    ASSERT_TRUE(program.signature());
    EXPECT_THAT(program.signature()->donated, ElementsAre(true, false));
    ADDER_ASSERT_OK(auto state, floats(client, std::vector<float>(1024, 1)));
    ADDER_ASSERT_OK(auto step, floats(client, std::vector<float>(1024, 2)));
    for (int i = 0; i < 3; ++i) {
      const std::array<const Buffer*, 2> arguments{&state, &step};
      ADDER_ASSERT_OK(auto outputs, program.execute(arguments));
      ADDER_ASSERT_OK(const bool state_deleted, state.is_deleted());
      ADDER_ASSERT_OK(const bool step_deleted, step.is_deleted());
      EXPECT_TRUE(state_deleted);
      EXPECT_FALSE(step_deleted);
      const auto read = state.to_host<float>();
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().code, ErrorCode::failed_precondition);
      EXPECT_FALSE(program.execute(arguments)) << "a donated buffer was accepted again";
      state = std::move(outputs[0]);
    }
    ADDER_ASSERT_OK(const auto values, state.to_host<float>());
    EXPECT_THAT(values, ::testing::Each(7.0f));
  });
}

TEST_F(ExecutableTest, KeepsADonatedArgumentOnRequest) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto program, client.compile(kDonate));
    ADDER_ASSERT_OK(auto state, floats(client, std::vector<float>(1024, 1)));
    ADDER_ASSERT_OK(auto step, floats(client, std::vector<float>(1024, 2)));
    const std::array<const Buffer*, 2> arguments{&state, &step};
    const std::array<std::int64_t, 1> keep{0};
    ADDER_ASSERT_OK(auto outputs, program.execute(arguments, {.not_donated = keep}));
    ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
    ADDER_ASSERT_OK(const auto before, state.to_host<float>());
    EXPECT_THAT(sum, ::testing::Each(3.0f));
    EXPECT_THAT(before, ::testing::Each(1.0f));
    const std::array<std::int64_t, 1> beyond{2};
    EXPECT_FALSE(program.execute(arguments, {.not_donated = beyond}));
  });
}

TEST_F(ExecutableTest, ReportsAliasedMemory) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto program, client.compile(kDonate));
    ADDER_ASSERT_OK(const auto stats, program.memory_stats());
    EXPECT_EQ(stats.aliased, kWide.bytes());
    EXPECT_GE(stats.arguments, 2 * kWide.bytes());
    EXPECT_GE(stats.outputs, 2 * kWide.bytes());
  });
}

TEST_F(ExecutableTest, RunsAfterSerialisation) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto original, client.compile(kDonate));
    ADDER_ASSERT_OK(const std::string bytes, original.serialize());
    EXPECT_FALSE(bytes.empty());
    original = Executable();
    ADDER_ASSERT_OK(auto loaded, client.load(bytes, kDonate));
    EXPECT_EQ(loaded.num_outputs(), 2);
    ADDER_ASSERT_OK(auto state, floats(client, std::vector<float>(1024, 5)));
    ADDER_ASSERT_OK(auto step, floats(client, std::vector<float>(1024, 2)));
    const std::array<const Buffer*, 2> arguments{&state, &step};
    ADDER_ASSERT_OK(auto outputs, loaded.execute(arguments));
    ADDER_ASSERT_OK(const auto product, outputs[1].to_host<float>());
    EXPECT_THAT(product, ::testing::Each(10.0f));
    ADDER_ASSERT_OK(const bool deleted, state.is_deleted());
    EXPECT_TRUE(deleted);
    EXPECT_FALSE(client.load("these are not serialised bytes"));
  });
}

TEST_F(ExecutableTest, RefusesWrongArguments) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(auto add, client.compile(kAdd));
    ADDER_ASSERT_OK(auto four, floats(client, {1, 2, 3, 4}));
    ADDER_ASSERT_OK(auto two, floats(client, {1, 2}));
    const Buffer empty;
    const auto message = [&](std::vector<const Buffer*> arguments) {
      const auto result = add.execute(arguments);
      return result ? std::string("accepted") : result.error().message;
    };
    EXPECT_THAT(message({}), HasSubstr("expected 2 arguments, got 0"));
    EXPECT_THAT(message({&four}), HasSubstr("expected 2 arguments, got 1"));
    EXPECT_THAT(message({&four, &four, &four}), HasSubstr("expected 2 arguments, got 3"));
    EXPECT_THAT(message({&four, &two}), HasSubstr("argument 1: expected f32[4], got f32[2]"));
    EXPECT_THAT(message({&four, nullptr}), HasSubstr("argument 1 is an empty buffer"));
    EXPECT_THAT(message({&empty, &four}), HasSubstr("argument 0 is an empty buffer"));
    ADDER_ASSERT_OK(auto other, Client::create(client.plugin()));
    ADDER_ASSERT_OK(auto foreign, floats(other, {1, 2, 3, 4}));
    EXPECT_THAT(message({&four, &foreign}), HasSubstr("another client"));
    EXPECT_FALSE(Executable().execute({}));
  });
}

TEST_F(ExecutableTest, CarriesTheCompilersMessage) {
  on_each([](const Client& client) {
    const auto result = client.compile(R"(module @bad {
      func.func public @main(%arg0: tensor<4xf32>) -> tensor<4xf32> {
        %0 = stablehlo.no_such_op %arg0 : tensor<4xf32>
        return %0 : tensor<4xf32>
      }
    })");
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("PJRT_Client_Compile: "));
    EXPECT_THAT(result.error().message, HasSubstr("no_such_op"));
    EXPECT_EQ(client.stats().compilations, 0);
  });
}

TEST_F(ExecutableTest, OutlivesEveryOtherHandle) {
  on_each([](Client client) {
    ADDER_ASSERT_OK(auto add, client.compile(kAdd));
    ADDER_ASSERT_OK(auto x, floats(client, {1, 2, 3, 4}));
    { const Client gone = std::move(client); }
    const std::array<const Buffer*, 2> arguments{&x, &x};
    ADDER_ASSERT_OK(auto outputs, add.execute(arguments));
    add = Executable();
    x = Buffer();
    ADDER_ASSERT_OK(const auto sum, outputs[0].to_host<float>());
    EXPECT_THAT(sum, ElementsAre(2, 4, 6, 8));
  });
}

TEST_F(ExecutableTest, GivesWhatTheCompilerMade) {
  on_each([](const Client& client) {
    ADDER_ASSERT_OK(const Executable executable, client.compile(kWhile));
    ADDER_ASSERT_OK(const OptimizedProgram program, executable.optimized_program());
    EXPECT_THAT(program.format, ::testing::StartsWith("hlo"));
    EXPECT_THAT(program.bytes, ::testing::HasSubstr("while"));
  });
}

}  // namespace
}  // namespace adder::pjrt
