#include "cli/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace adder::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HumanBytes, ThreeDigitsAndAUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(99'940), "99.9 kB");
  EXPECT_EQ(human_bytes(99'960), "100 kB");
  EXPECT_EQ(human_bytes(999'700), "1.0 MB");
  EXPECT_EQ(human_bytes(2.5e15), "2500 TB");
}

ProgressMoment bytes(std::uint64_t done, std::uint64_t total, double seconds) {
  return {.label = "loading", .done = done, .total = total, .unit = ProgressUnit::bytes, .seconds = seconds};
}
ProgressMoment steps(std::uint64_t done, std::uint64_t total, double seconds) {
  return {.label = "tuning", .done = done, .total = total, .unit = ProgressUnit::steps, .seconds = seconds};
}

TEST(RenderProgress, ShareBytesRateAndTimeLeft) {
  const std::string half = render_progress(bytes(50'000'000, 100'000'000, 0.5), 200);
  EXPECT_EQ(half, "loading  50% [##############--------------]  50.0 MB of 100 MB, 100 MB/s, 0.5 s left");
}

TEST(RenderProgress, StepsHaveTimesOnly) {
  EXPECT_EQ(render_progress(steps(1, 4, 2), 200),
            "tuning  25% [#######---------------------]  2 s, 6 s left");
  EXPECT_EQ(render_progress(steps(0, 4, 2), 200), "tuning   0% [----------------------------]  2 s");
  EXPECT_EQ(render_progress(steps(0, 0, 12), 200), "tuning  12 s");
}

TEST(RenderProgress, NeverDividesByZeroNorPassesTheEnd) {
  EXPECT_THAT(render_progress(bytes(0, 0, 0), 200), HasSubstr("100%"));
  EXPECT_THAT(render_progress(bytes(0, 10, 0), 200), HasSubstr("0 B of 10 B"));
  EXPECT_THAT(render_progress(bytes(20, 10, 1), 200), HasSubstr("100% [############################]"));
}

TEST(RenderProgress, FitsTheTerminal) {
  for (int columns = 0; columns < 90; ++columns)
    for (const ProgressMoment& m : {bytes(5, 10, 1), steps(5, 10, 1), steps(5, 0, 1)})
      EXPECT_LE(render_progress(m, columns).size(), static_cast<std::size_t>(std::max(columns - 1, 0)));
}

TEST(RenderProgress, TheBarGivesWayBeforeTheNumbers) {
  const ProgressMoment m = bytes(50'000'000, 100'000'000, 0.5);
  const std::string all = "50.0 MB of 100 MB, 100 MB/s, 0.5 s left";
  EXPECT_THAT(render_progress(m, 66), HasSubstr("loading  50% [####"));
  for (const int columns : {45 + 7, 60, 66, 80})
    EXPECT_THAT(render_progress(m, columns), HasSubstr(all)) << columns;
  EXPECT_THAT(render_progress(m, 50), Not(HasSubstr("[")));
}

TEST(DescribeProgress, IsALineOfALog) {
  EXPECT_EQ(describe_progress(steps(1, 4, 2)), "tuning: 25%, 2 s");
  EXPECT_EQ(describe_progress(steps(0, 0, 12)), "tuning: 12 s");
}

/// What is written to a pipe.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() { ::close(ends_[0]); }
  int in() const { return ends_[1]; }
  std::string close_and_read() {
    ::close(ends_[1]);
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer, sizeof buffer)) > 0;)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }

 private:
  int ends_[2] = {-1, -1};
};

// The first run was silent for ten seconds: nothing advanced while the compiler worked.
TEST(ProgressBar, ShowsWhatNeverAdvances) {
  for (const auto style : {ProgressBar::Style::bar, ProgressBar::Style::lines}) {
    Pipe pipe;
    {
      ProgressBar bar(pipe.in(), style);
      const StepsScope scope(bar, 0, "compiling");
      std::this_thread::sleep_for(std::chrono::milliseconds(1300));
    }
    EXPECT_THAT(pipe.close_and_read(), HasSubstr("compiling"));
  }
}

TEST(ProgressBar, SaysNothingOfWhatIsOverAtOnce) {
  Pipe pipe;
  {
    ProgressBar bar(pipe.in(), ProgressBar::Style::lines);
    for (int i = 0; i < 100; ++i) const StepsScope scope(bar, 10, "quick");
  }
  EXPECT_EQ(pipe.close_and_read(), "");
}

TEST(RenderProgress, ANarrowTerminalCutsNoNumber) {
  const std::vector<std::string> whole{"", " 50%", " 50%  51.6 MB of 103 MB",
                                       " 50%  51.6 MB of 103 MB, 103 MB/s",
                                       " 50%  51.6 MB of 103 MB, 103 MB/s, 0.5 s left"};
  for (int columns = 0; columns < 120; ++columns) {
    std::string line = render_progress(bytes(51'600'000, 103'200'000, 0.5), columns);
    if (const auto bar = line.find(" ["); bar != std::string::npos) line.erase(bar, line.find(']') + 1 - bar);
    if (const auto percent = line.find("50%"); percent != std::string::npos) line.erase(0, percent);
    EXPECT_THAT(whole, ::testing::Contains(line.empty() ? "" : " " + line)) << columns;
  }
}

}  // namespace
}  // namespace adder::cli
