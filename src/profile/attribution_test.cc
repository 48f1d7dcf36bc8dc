#include "profile/attribution.h"

#include <gtest/gtest.h>

namespace adder::profile {
namespace {

constexpr std::int64_t kMs = 1'000'000'000;  // picoseconds

std::string by_name(const std::string& op_name) { return scope_in(op_name, {"mixer", "mixer/conv", "head"}); }

TEST(AttributionTest, FindsTheLongestScopeInAnOpName) {
  EXPECT_EQ(by_name("jit(main)/layer/mixer/conv/mul"), "mixer/conv");
  EXPECT_EQ(by_name("layer/mixer/gates"), "mixer");
  EXPECT_EQ(by_name("overhead/add"), "");  // only whole components count
  EXPECT_EQ(by_name("header"), "");
  EXPECT_EQ(by_name("head"), "head");
  EXPECT_EQ(by_name(""), "");
}

TEST(AttributionTest, AddsUpStreamsAndLeavesDerivedRowsOut) {
  const XSpace space{
      {{"/device:GPU:0",
        {{1, "Stream #1", 0, {{"gemm", 0, 2 * kMs, "dot.1", ""}, {"k", 3 * kMs, kMs, "f.2", "head"}}},
         {2, "Stream #2", 0, {{"copy", kMs, 3 * kMs, "", ""}}},
         {3, "XLA Ops", 0, {{"dot.1", 0, 2 * kMs, "dot.1", ""}}}}}}};
  const Kernel dot{.name = "dot.1", .opcode = "dot", .op_name = "mixer/conv", .shape = "", .hlo = ""};
  const Attribution a = attribute(space, {dot}, by_name);
  EXPECT_DOUBLE_EQ(a.parts.at("mixer/conv").ms, 2);
  EXPECT_DOUBLE_EQ(a.parts.at("head").ms, 1);
  EXPECT_DOUBLE_EQ(a.parts.at("").ms, 3);
  EXPECT_EQ(a.parts.at("").launches, 1);
  EXPECT_EQ(a.names.at("dot.1").launches, 1);
  EXPECT_DOUBLE_EQ(a.busy_ms, 4);
  EXPECT_DOUBLE_EQ(a.span_ms, 4);
}

TEST(AttributionTest, TakesALoopsBodyFromTheLoop) {
  const XSpace space{{{"/host:CPU",
                       {{1,
                         "pool",
                         0,
                         {{"while", 0, 10 * kMs, "while.1", ""},
                          {"a", kMs, 2 * kMs, "a", "head"},
                          {"b", 5 * kMs, kMs, "b", "mixer"},
                          {"unrelated", 0, 20 * kMs, "", ""}}}}}}};
  const Attribution a = attribute(space, {}, by_name);
  EXPECT_DOUBLE_EQ(a.parts.at("").ms, 7);
  EXPECT_DOUBLE_EQ(a.parts.at("head").ms, 2);
  EXPECT_DOUBLE_EQ(a.parts.at("mixer").ms, 1);
  EXPECT_DOUBLE_EQ(a.busy_ms, 3);  // what lies between a loop's kernels is a gap
}

TEST(AttributionTest, TurnsEventsIntoSpansFromTheFirstOn) {
  const XSpace space{
      {{"p", {{9, "l", 0, {{"x", 5 * kMs, kMs, "op", "head"}, {"y", 7 * kMs, kMs, "", ""}}}}}}};
  EXPECT_FALSE(to_trace(space, by_name).empty());
  const std::string json = to_trace(space, by_name).json();
  EXPECT_NE(json.find(R"("name":"y","cat":"other","pid":1,"tid":1,"ts":2000.0,"dur":1000.0)"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace adder::profile
