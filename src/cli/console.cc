#include "cli/console.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/descriptor_io.h"
#include "base/exception.h"
#include "base/text.h"
#include "cli/last_words.h"

namespace adder::cli {

namespace {

constexpr std::string_view kKept = "\n\t";  // of the control characters in messages

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

LogLevel threshold(const ConsoleOptions& options) {
  if (options.quiet) return LogLevel::error;
  return options.verbose ? LogLevel::debug : LogLevel::warn;
}

}  // namespace

Console::Console(const ConsoleOptions& options)
    : options_(options),
      logger_(std::make_unique<spdlog::logger>("adder",
                                               std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
  logger_->set_pattern("%^%l%$: %v");
  logger_->set_level(spdlog_level(threshold(options)));
  if (options.quiet) return;
  using Style = ProgressBar::Style;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  bar_ = std::make_unique<ProgressBar>(STDERR_FILENO, terminal ? Style::bar : Style::lines);
}

Console::~Console() = default;

bool Console::enabled(LogLevel level) const { return level >= threshold(options_); }

void Console::log(LogLevel level, std::string_view message) {
  if (!enabled(level)) return;
  const auto pause = bar_ ? bar_->pause() : ProgressBar::Pause();
  const std::string plain = printable(message, kKept);
  logger_->log(spdlog_level(level), spdlog::string_view_t(plain.data(), plain.size()));
}

void Console::note(std::string_view line) {
  if (options_.quiet) return;
  const auto pause = bar_ ? bar_->pause() : ProgressBar::Pause();
  print_note(fmt::format("{}\n", line));
}

void print_note(std::string_view text) {
  static_cast<void>(write_fully(STDERR_FILENO, printable(text, kKept)));
}

void print_error(const Error& error) {
  const std::string_view message = error.message;
  print_note(fmt::format("error: {}\n{}", message.substr(0, message.find_last_not_of('\n') + 1),
                         error.hint.empty() ? "" : fmt::format("hint: {}\n", error.hint)));
}

void print_error_of(const std::exception_ptr& exception) noexcept {
  try {
    print_error(error_of(exception));
  } catch (...) {  // not even memory for the sentence
    static_cast<void>(write_fully(STDERR_FILENO, "error: out of memory\n"));
  }
}

Status print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  const int reason = errno;
  if (reason == EPIPE) end_by_broken_pipe();
  return fail(ErrorCode::internal, fmt::format("writing to standard output: {}", std::strerror(reason)));
}

}  // namespace adder::cli
