#include "cli/console.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace adder::cli {

namespace {

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
  logger_->log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
}

void Console::note(std::string_view line) {
  if (options_.quiet) return;
  const auto pause = bar_ ? bar_->pause() : ProgressBar::Pause();
  fmt::print(stderr, "{}\n", line);
}

void print_error(const Error& error) {
  const std::string_view message = error.message;
  fmt::print(stderr, "error: {}\n", message.substr(0, message.find_last_not_of('\n') + 1));
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", error.hint);
}

Status print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  return fail(ErrorCode::internal, fmt::format("writing to standard output: {}", std::strerror(errno)));
}

}  // namespace adder::cli
