#include "cli/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace adder::cli {
namespace {

using testing::HasSubstr;

TEST(HumanBytes, ThreeDigitsAndAUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(99'940), "99.9 kB");
  EXPECT_EQ(human_bytes(99'960), "100 kB");
  EXPECT_EQ(human_bytes(999'700), "1.0 MB");
  EXPECT_EQ(human_bytes(2.5e15), "2500 TB");
}

TEST(RenderProgress, ShareBytesRateAndTimeLeft) {
  const std::string half = render_progress("loading", 50'000'000, 100'000'000, 0.5, 200);
  EXPECT_THAT(half, HasSubstr("loading  50% [##############--------------]"));
  EXPECT_THAT(half, HasSubstr("50.0 MB of 100 MB, 100 MB/s, 0.5 s left"));
}

TEST(RenderProgress, NeverDividesByZeroNorPassesTheEnd) {
  EXPECT_THAT(render_progress("x", 0, 0, 0, 200), HasSubstr("100%"));
  EXPECT_THAT(render_progress("x", 0, 10, 0, 200), HasSubstr("0 B of 10 B"));
  EXPECT_THAT(render_progress("x", 20, 10, 1, 200), HasSubstr("100% [############################]"));
}

TEST(RenderProgress, FitsTheTerminal) {
  for (const int columns : {0, 1, 10, 40, 80})
    EXPECT_LE(render_progress("loading weights", 5, 10, 1, columns).size(), std::max(columns - 1, 0));
}

TEST(RenderProgress, ANarrowTerminalShrinksTheBarAndCutsNoNumber) {
  const std::vector<std::string> numbers{" 50%", " 51.6 MB of 103 MB", ", 103 MB/s", ", 0.5 s left"};
  const auto at = [](int columns) {
    return render_progress("loading weights", 51'600'000, 103'200'000, 0.5, columns);
  };
  EXPECT_EQ(at(70), "loading weights  50% [###---] 51.6 MB of 103 MB, 103 MB/s, 0.5 s left");
  EXPECT_EQ(at(62), "loading weights  50% 51.6 MB of 103 MB, 103 MB/s, 0.5 s left");
  EXPECT_EQ(at(55), "loadin...  50% 51.6 MB of 103 MB, 103 MB/s, 0.5 s left");
  EXPECT_EQ(at(40), " 50% 51.6 MB of 103 MB, 103 MB/s");
  EXPECT_EQ(at(4), "");
  for (int columns = 0; columns < 120; ++columns) {
    std::string line = at(columns);
    if (const auto bar = line.find(" ["); bar != std::string::npos) line.erase(bar, line.find(']') + 1 - bar);
    line.erase(0, line.find("50%"));
    std::string whole;
    std::vector<std::string> allowed{""};
    for (const std::string& number : numbers) allowed.push_back(whole += number);
    EXPECT_THAT(allowed, testing::Contains(line.empty() ? "" : " " + line)) << columns;
  }
}

}  // namespace
}  // namespace adder::cli
