#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
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

/// Writes to stderr, whoever reads it: control characters and invalid UTF-8, which come out of hostile files,
/// are spelled out (base/text.h), and what nobody takes is dropped.
void print_note(std::string_view text);
/// "error: message", and "hint: ..." where there is one, on stderr.
void print_error(const Error& error);
/// The same for an exception that came all the way.
void print_error_of(const std::exception_ptr& exception) noexcept;

/// What `--json` prints: keys in the order in which they were written.
using OrderedJson = nlohmann::ordered_json;
/// The document in one line. Never throws, whatever bytes are in paths and names.
inline std::string json_line(const OrderedJson& json) { return to_text(json) + "\n"; }

/// Writes to stdout and flushes. Error internal if nobody takes it (disk full, closed).
Status print(std::string_view text);

}  // namespace adder::cli
