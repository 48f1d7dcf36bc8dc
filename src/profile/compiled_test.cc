#include "profile/compiled.h"

#include <gmock/gmock.h>

#include "profile/testing.h"

namespace adder::profile {
namespace {

std::string shape(std::initializer_list<std::uint64_t> dims) {
  constexpr std::uint64_t kF32 = 11;
  return number(2, kF32) + packed(3, dims);
}

std::string instruction(std::uint64_t id, const std::string& name, const std::string& opcode,
                        const std::string& dims, const std::string& more = "") {
  return text(2, text(1, name) + text(2, opcode) + text(3, dims) + number(35, id) + more);
}
std::string op_name(const std::string& name) { return text(7, text(2, name)); }
std::string computation(std::uint64_t id, const std::string& instructions) {
  return text(3, text(1, "c") + instructions + number(5, id));
}

/// entry: a dot of two parameters, then a loop of three trips around one fusion of an add.
std::string module() {
  const std::string entry =
      instruction(1, "p0", "parameter", shape({2, 4})) + instruction(2, "p1", "parameter", shape({4, 8})) +
      instruction(3, "dot.1", "dot", shape({2, 8}), packed(36, {1, 2}) + op_name("layer/in_proj")) +
      instruction(4, "while.1", "while", text(4, shape({2, 8})),
                  packed(36, {3}) + packed(38, {20, 30}) + text(43, R"({"known_trip_count":{"n":"3"}})"));
  const std::string body =
      instruction(5, "p", "parameter", shape({2, 8})) +
      instruction(6, "fusion.1", "fusion", shape({2, 8}), packed(36, {5}) + packed(38, {40}));
  const std::string condition = instruction(7, "c", "parameter", shape({2, 8}));
  const std::string fused =
      instruction(8, "q", "parameter", shape({2, 8})) +
      instruction(9, "add", "add", shape({2, 8}), packed(36, {8, 8}) + op_name("layer/norm"));
  return text(1, "m") + computation(10, entry) + computation(20, body) + computation(30, condition) +
         computation(40, fused) + number(6, 10);
}

TEST(CompiledTest, ListsKernelsWithTheirOriginsAndBytes) {
  const auto kernels = kernels_of("hlo", module());
  ASSERT_TRUE(kernels) << kernels.error().message;
  ASSERT_EQ(kernels->size(), 2u);
  const Kernel& dot = (*kernels)[0];
  EXPECT_EQ(dot.name, "dot.1");
  EXPECT_EQ(dot.op_name, "layer/in_proj");
  EXPECT_EQ(dot.shape, "f32[2,8]");
  EXPECT_EQ(dot.bytes, 4 * (8 + 32 + 16));
  EXPECT_EQ(dot.times, 1);
  EXPECT_FALSE(dot.in_loop);
  const Kernel& fusion = (*kernels)[1];
  EXPECT_EQ(fusion.op_name, "layer/norm");  // that of what is inside
  EXPECT_EQ(fusion.hlo, "add");
  EXPECT_EQ(fusion.times, 3);
  EXPECT_TRUE(fusion.in_loop);
}

TEST(CompiledTest, NamesWhatLostItsNameAfterItsNeighbours) {
  // input -> scale [gates] -> dot -> bitcast -> norm's two steps, the second with a name; a copy of the
  // input.
  const std::string entry =
      instruction(1, "p", "parameter", shape({4})) +
      instruction(2, "scale", "multiply", shape({4}), packed(36, {1, 1}) + op_name("gates")) +
      instruction(3, "dot", "dot", shape({4}), packed(36, {1, 2})) +
      instruction(4, "b", "bitcast", shape({2, 2}), packed(36, {3})) +
      instruction(5, "square", "multiply", shape({2, 2}), packed(36, {4, 4})) +
      instruction(6, "root", "rsqrt", shape({2, 2}), packed(36, {5}) + op_name("norm")) +
      instruction(7, "copied", "copy", shape({4}), packed(36, {1}));
  const auto kernels = kernels_of("hlo", computation(1, entry) + number(6, 1));
  ASSERT_TRUE(kernels);
  std::vector<std::string> origins;
  for (const Kernel& k : *kernels) origins.push_back(k.name + ":" + k.op_name);
  EXPECT_THAT(origins,
              testing::ElementsAre("scale:gates", "dot:gates", "square:norm", "root:norm", "copied:"));
}

TEST(CompiledTest, CountsOfATableOnlyWhatIsGathered) {
  const std::string entry = instruction(1, "table", "parameter", shape({1000, 8})) +
                            instruction(2, "i", "parameter", shape({1})) +
                            instruction(3, "row", "gather", shape({1, 8}), packed(36, {1, 2}));
  const auto kernels = kernels_of("hlo", computation(1, entry) + number(6, 1));
  ASSERT_TRUE(kernels);
  EXPECT_EQ(kernels->at(0).bytes, 4 * (8 + 8 + 1));
}

/// A shape that lies in on-chip memory.
std::string on_chip(std::initializer_list<std::uint64_t> dims) { return shape(dims) + text(5, number(8, 1)); }

TEST(CompiledTest, WhatIsPrefetchedIsReadOnce) {
  const std::string entry =
      instruction(1, "p", "parameter", shape({100})) +
      instruction(2, "s", "copy-start", text(4, on_chip({100})) + text(4, shape({100})), packed(36, {1})) +
      instruction(3, "d", "copy-done", on_chip({100}), packed(36, {2})) +
      instruction(4, "use", "add", shape({100}), packed(36, {3, 3})) +
      instruction(5, "slice", "async-start", text(4, text(4, shape({100}))) + text(4, on_chip({8})),
                  packed(36, {1}));
  const auto kernels = kernels_of("hlo", computation(1, entry) + number(6, 1));
  ASSERT_TRUE(kernels);
  ASSERT_EQ(kernels->size(), 4u);
  EXPECT_EQ((*kernels)[0].bytes, 400);  // from the device's memory
  EXPECT_EQ((*kernels)[2].bytes, 400);  // its result alone
  EXPECT_EQ((*kernels)[3].bytes, 32);   // the part that it takes
}

TEST(CompiledTest, AConditionTellsHowOftenALoopRuns) {
  const std::string truth = number(2, 1), s32 = number(2, 4);
  const std::string entry = instruction(1, "p", "parameter", shape({4})) +
                            instruction(2, "w", "while", shape({4}), packed(36, {1}) + packed(38, {20, 30}));
  const std::string body = instruction(3, "q", "parameter", shape({4})) +
                           instruction(4, "twice", "add", shape({4}), packed(36, {3, 3}));
  const std::string condition =
      instruction(5, "i", "parameter", s32) + instruction(6, "n", "constant", s32, text(8, packed(4, {64}))) +
      instruction(7, "less", "compare", truth, packed(36, {5, 6}) + text(63, "LT")) + number(6, 7);
  const auto kernels = kernels_of(
      "hlo", computation(10, entry) + computation(20, body) + computation(30, condition) + number(6, 10));
  ASSERT_TRUE(kernels);
  ASSERT_EQ(kernels->size(), 1u) << "with the length known, the condition is no kernel";
  EXPECT_EQ(kernels->front().name, "twice");
  EXPECT_EQ(kernels->front().times, 64);
}

TEST(CompiledTest, UnwrapsTheConfig) {
  const auto kernels = kernels_of("hlo_with_config", text(1, module()) + text(2, "config"));
  ASSERT_TRUE(kernels);
  EXPECT_EQ(kernels->size(), 2u);
}

TEST(CompiledTest, RefusesOtherFormats) {
  const auto kernels = kernels_of("mlir", "module {}");
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code, ErrorCode::unsupported);
}

TEST(CompiledTest, EndsOnALoopThatCallsItself) {
  const std::string self =
      text(3, instruction(1, "w", "while", shape({1}), packed(38, {1, 1})) + number(5, 1));
  EXPECT_TRUE(kernels_of("hlo", self + number(6, 1)));
}

TEST(CompiledTest, SurvivesMangledBytes) {
  int failures = 0;
  mangle(module(), [&](std::string_view bytes) { failures += kernels_of("hlo", bytes) ? 0 : 1; });
  EXPECT_GT(failures, 0);
}

}  // namespace
}  // namespace adder::profile
