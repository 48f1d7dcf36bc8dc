#include "profile/xspace.h"

#include <gtest/gtest.h>

#include "profile/testing.h"

namespace adder::profile {
namespace {

std::string entry(std::uint32_t field, std::uint64_t id, const std::string& message) {
  return text(field, number(1, id) + text(2, message));
}

/// One GPU plane: a kernel whose instruction stands in its metadata by reference, another whose op_name
/// stands in the event; the metadata comes after the line that uses it.
std::string space() {
  const std::string kernel = number(1, 10) + number(2, 500) + number(3, 2000);
  const std::string second =
      number(1, 11) + number(2, 4000) + number(3, 1000) + text(4, number(1, 2) + text(5, "layer/mixer/conv"));
  const std::string line =
      number(1, 7) + text(2, "Stream #7") + number(3, 3) + text(4, kernel) + text(4, second);
  const std::string plane =
      text(2, "/device:GPU:0") + text(3, line) +
      entry(4, 10, number(1, 10) + text(2, "gemm") + text(5, number(1, 1) + number(7, 3))) +
      entry(4, 11, number(1, 11) + text(2, "loop_fusion")) + entry(5, 1, number(1, 1) + text(2, "hlo_op")) +
      entry(5, 2, number(1, 2) + text(2, "tf_op")) + entry(5, 3, number(1, 3) + text(2, "dot.3"));
  return text(1, plane) + text(2, "an error text");
}

TEST(XSpaceTest, ReadsPlanesLinesAndEvents) {
  const auto read = read_xspace(space());
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->planes.size(), 1u);
  EXPECT_EQ(read->planes[0].name, "/device:GPU:0");
  ASSERT_EQ(read->planes[0].lines.size(), 1u);
  const XLine& line = read->planes[0].lines[0];
  EXPECT_EQ(line.id, 7);
  EXPECT_EQ(line.name, "Stream #7");
  ASSERT_EQ(line.events.size(), 2u);
  EXPECT_EQ(line.events[0].name, "gemm");
  EXPECT_EQ(line.timestamp_ns, 3);
  EXPECT_EQ(line.events[0].start_ps, 500);
  EXPECT_EQ(line.events[0].duration_ps, 2000);
  EXPECT_EQ(line.events[0].hlo_op, "dot.3");
  EXPECT_EQ(line.events[1].name, "loop_fusion");
  EXPECT_EQ(line.events[1].op_name, "layer/mixer/conv");
}

TEST(XSpaceTest, CountsFromTheEarliestLine) {
  // Nanoseconds since 1970, whose picoseconds would not fit.
  constexpr std::uint64_t kNow = 1'800'000'000'000'000'000;
  const auto line = [](std::uint64_t ns) {
    return text(3, number(3, ns) + text(4, number(2, 7) + number(3, 1)));
  };
  const auto read = read_xspace(text(1, line(kNow + 2)) + text(1, line(kNow)) +
                                text(1, text(3, number(3, 5))));  // without events it says nothing
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->planes[0].lines[0].events[0].start_ps, 2007);
  EXPECT_EQ(read->planes[1].lines[0].events[0].start_ps, 7);
}

TEST(XSpaceTest, TakesAnEmptyProfileAndTheZeroBehindAMessage) {
  EXPECT_TRUE(read_xspace("")->planes.empty());
  const auto read = read_xspace(space() + '\0');
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->planes.size(), 1u);
}

TEST(XSpaceTest, SurvivesMangledBytes) {
  int failures = 0;
  mangle(space(), [&](std::string_view bytes) { failures += read_xspace(bytes) ? 0 : 1; });
  EXPECT_GT(failures, 0);
}

}  // namespace
}  // namespace adder::profile
