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

}  // namespace
}  // namespace adder::profile
