#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace adder {
namespace {

class Recorder : public LogSink {
 public:
  bool enabled(LogLevel level) const override { return level >= LogLevel::info; }
  void log(LogLevel level, std::string_view message) override {
    lines.push_back(std::string(name(level)) + ": " + std::string(message));
  }
  std::vector<std::string> lines;
};

class Meter : public Progress {
 public:
  void begin(std::uint64_t total, std::string_view label) override {
    calls.push_back("begin " + std::to_string(total) + " " + std::string(label));
  }
  void advance(std::uint64_t bytes) override { calls.push_back("advance " + std::to_string(bytes)); }
  void end() override { calls.push_back("end"); }
  std::vector<std::string> calls;
};

TEST(LogTest, FormatsOnlyWhatTheSinkWants) {
  Recorder sink;
  log(sink, LogLevel::debug, "hidden {}", 1);
  log(sink, LogLevel::warn, "seen {}", 2);
  EXPECT_THAT(sink.lines, ::testing::ElementsAre("warn: seen 2"));
  EXPECT_FALSE(null_log().enabled(LogLevel::error));
  log(null_log(), LogLevel::error, "dropped");
}

TEST(LogTest, ProgressEndsEvenWhenTheWorkFails) {
  Meter meter;
  {
    ProgressScope scope(meter, 10, "weights");
    scope.advance(4);
  }
  EXPECT_THAT(meter.calls, ::testing::ElementsAre("begin 10 weights", "advance 4", "end"));
}

}  // namespace
}  // namespace adder
