#include "base/log.h"

namespace adder {
namespace {

class NullLog final : public LogSink {
 public:
  bool enabled(LogLevel) const override { return false; }
  void log(LogLevel, std::string_view) override {}
};

class NullProgress final : public Progress {
 public:
  void begin(std::uint64_t, std::string_view) override {}
  void advance(std::uint64_t) override {}
  void end() override {}
};

}  // namespace

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

LogSink& null_log() {
  static NullLog sink;
  return sink;
}

Progress& null_progress() {
  static NullProgress progress;
  return progress;
}

}  // namespace adder
