#include "pjrt/quiet_stderr.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace adder::pjrt {
namespace {

TEST(QuietStderr, DropsWhatIsWrittenMeanwhileAndNothingElse) {
  ::testing::internal::CaptureStderr();
  std::fputs("before ", stderr);
  {
    const QuietStderr quiet(true);
    std::fputs("WARNING: All log messages before absl::InitializeLog() is called", stderr);
  }
  {
    const QuietStderr loud(false);
    std::fputs("verbose ", stderr);
  }
  std::fputs("after", stderr);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "before verbose after");
}

}  // namespace
}  // namespace adder::pjrt
