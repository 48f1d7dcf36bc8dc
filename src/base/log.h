#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace adder {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
std::string_view name(LogLevel level);  ///< "debug", "info", "warn", "error"

/// Where the library's messages go. The library prints nothing itself; the caller (the command line, a
/// server, a test) injects a sink. Implementations must accept calls from any thread and must not throw.
class LogSink {
 public:
  virtual ~LogSink() = default;
  /// False lets callers skip formatting a message nobody reads.
  virtual bool enabled(LogLevel level) const = 0;
  /// One message, UTF-8, without a trailing newline.
  virtual void log(LogLevel level, std::string_view message) = 0;
};

/// How far a long operation (loading weights) has come. Calls come in the order begin, advance..., end, from
/// one thread at a time. Implementations must not throw.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void begin(std::uint64_t total_bytes, std::string_view label) = 0;
  virtual void advance(std::uint64_t bytes) = 0;  ///< this many more are done
  virtual void end() = 0;                         ///< also called when the operation failed half way
};

/// Sinks that drop everything: the defaults. Stateless, alive for the whole program, safe from any thread.
LogSink& null_log();
Progress& null_progress();

/// Calls begin() now and end() when it goes out of scope, whichever way.
class ProgressScope {
 public:
  ProgressScope(Progress& progress, std::uint64_t total_bytes, std::string_view label) : progress_(progress) {
    progress_.begin(total_bytes, label);
  }
  ~ProgressScope() { progress_.end(); }
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;

  void advance(std::uint64_t bytes) { progress_.advance(bytes); }

 private:
  Progress& progress_;
};

/// `log(sink, LogLevel::info, "{} tensors", n)`: formats only if the sink wants the level.
template <class... Args>
void log(LogSink& sink, LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (sink.enabled(level)) sink.log(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace adder
