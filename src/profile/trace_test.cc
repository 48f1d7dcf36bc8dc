#include "profile/trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace adder::profile {
namespace {

TEST(TraceTest, WritesSpansAndNames) {
  Trace trace;
  EXPECT_TRUE(trace.empty());
  trace.name_process(1, "decode");
  trace.name_thread(1, 2, "parts");
  trace.add({.name = "in_proj",
             .category = "mixer",
             .start_us = 1.5,
             .duration_us = 2,
             .process = 1,
             .thread = 2,
             .details = {{"layer", "3"}}});
  trace.add({.name = "\xff\"quoted\"", .category = "", .details = {}});
  const auto json = nlohmann::json::parse(trace.json());
  const auto& events = json.at("traceEvents");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].at("ph"), "M");
  EXPECT_EQ(events[0].at("args").at("name"), "decode");
  EXPECT_EQ(events[1].at("name"), "thread_name");
  EXPECT_EQ(events[2].at("ph"), "X");
  EXPECT_EQ(events[2].at("ts"), 1.5);
  EXPECT_EQ(events[2].at("dur"), 2.0);
  EXPECT_EQ(events[2].at("args").at("layer"), "3");
  EXPECT_EQ(events[3].at("cat"), "other");
}

TEST(TraceTest, AppendsBehindItsOwnProcesses) {
  Trace first, second;
  first.name_process(3, "a");
  second.name_process(1, "b");
  second.name_thread(1, 2, "t");
  second.add({.name = "x", .category = "", .process = 1, .thread = 2, .details = {}});
  first.append(second, "run: ");
  const auto events = nlohmann::json::parse(first.json()).at("traceEvents");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1].at("args").at("name"), "run: b");
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(events[i].at("pid"), 4);
}

}  // namespace
}  // namespace adder::profile
