#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/progress_bar.h"

namespace spdlog {
class logger;
}

namespace adder::cli {

struct ConsoleOptions {
  bool verbose = false;  ///< everything that the library has to say, and what the plugin logs
  bool quiet = false;    ///< errors only; wins over verbose
};

/// What the user sees on stderr: the library's messages, a progress bar on a terminal, notes such as timings.
/// Thread rule: everything may be called from any thread.
class Console final : public LogSink {
 public:
  explicit Console(const ConsoleOptions& options);
  ~Console() override;

  bool enabled(LogLevel level) const override;
  void log(LogLevel level, std::string_view message) override;
  /// A line for people, left out with --quiet.
  void note(std::string_view line);

  /// A bar on a terminal, else a line now and then; with --quiet nothing.
  Steps& steps() { return bar_ ? static_cast<Steps&>(*bar_) : null_steps(); }
  Progress& progress() { return bar_ ? static_cast<Progress&>(*bar_) : null_progress(); }

 private:
  ConsoleOptions options_;
  std::unique_ptr<ProgressBar> bar_;
  std::unique_ptr<spdlog::logger> logger_;
};

/// "error: message", and "hint: ..." where there is one, on stderr.
void print_error(const Error& error);

/// What `--json` prints: keys in the order in which they were written.
using OrderedJson = nlohmann::ordered_json;

/// Writes to stdout and flushes. Error internal if nobody takes it (disk full, closed).
Status print(std::string_view text);

}  // namespace adder::cli
