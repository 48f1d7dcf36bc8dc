#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <sstream>

#include "cli/arguments.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "cli/help.h"
#include "cli/last_words.h"
#include "cli/program.h"

namespace adder::cli {
namespace {

ExitCode usage_error(Error error, const std::string& command = "") {
  if (error.hint.empty())
    error.hint = fmt::format("see `adder {}--help`", command.empty() ? "" : command + " ");
  print_error(error);
  return ExitCode::usage;
}

/// What is not given, under the name that the usage line has for it.
std::string plainer_requirement(const std::string& message) {
  if (message == "--model is required") return std::string(kNoModel);
  if (message.starts_with("-")) return message;
  std::string out = message;
  std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(out.find(' ')), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

/// CLI11's two ways to say that a value is no number, or none that is allowed, in one: "-n: "x" is not a
/// number from 1 to 9".
std::string plainer(const std::string& message) {
  constexpr std::string_view kConversion = "Could not convert: ", kValue = ": Value ",
                             kRange = " not in range ";
  if (message.ends_with(" is required")) return plainer_requirement(message);
  if (const auto is = message.find(" = "); message.starts_with(kConversion) && is != std::string::npos)
    return fmt::format("{}: {} is not a number", message.substr(kConversion.size(), is - kConversion.size()),
                       in_quotes(message.substr(is + 3)));
  const auto value = message.find(kValue), range = message.rfind(kRange);
  if (value == std::string::npos || range == std::string::npos || range < value) return message;
  const auto begin = value + kValue.size();
  return fmt::format("{}: {} is not a number from {}", message.substr(0, value),
                     in_quotes(message.substr(begin, range - begin)), message.substr(range + kRange.size()));
}

ExitCode print_result(const std::string& text) {
  const Status printed = print(text);
  if (printed) return ExitCode::done;
  print_error(printed.error());
  return ExitCode::failed;
}

/// CLI11's own outcome of parsing: help and version to stdout, mistakes to stderr.
ExitCode report(const CLI::App& app, const CLI::ParseError& e, const Arguments& arguments) {
  if (e.get_exit_code() == 0) {
    std::ostringstream text;
    app.exit(e, text, text);
    return print_result(text.str());
  }
  const std::string message = plainer(arguments.in_users_words(e.what()));
  const auto subs = app.get_subcommands();
  return usage_error({ErrorCode::invalid_argument, message, ""},
                     subs.empty() ? "" : subs.front()->get_name());
}

ExitCode run(const Command& command, const Arguments& arguments) {
  if (Status usage = command.check ? command.check() : Status(); !usage) {
    Error error = std::move(usage).error();
    error.message = arguments.in_users_words(std::move(error.message));
    return usage_error(std::move(error), command.app->get_name());
  }
  Result<ExitCode> code = command.run();
  if (code) return *code;
  print_error(code.error());
  return code.error().code == ErrorCode::cancelled ? ExitCode::interrupted : ExitCode::failed;
}

ExitCode print_help(const CLI::App& app, const std::string& topic) {
  const CLI::App* about = topic.empty() ? &app : find_command(app, topic);
  if (!about) return usage_error(understand(app, {topic}).error());
  // Not app.help(), which would answer for the subcommand that was named: `help`.
  const std::string name = topic.empty() ? "adder" : "adder " + topic;
  return print_result(about->get_formatter()->make_help(about, name, CLI::AppFormatMode::Normal));
}

ExitCode run_program(const std::vector<std::string>& words) {
  Program program = make_program(help_width());
  CLI::App& app = *program.app;
  if (words.empty()) {
    print_note(app.help());
    return ExitCode::usage;
  }
  Result<Arguments> arguments = understand(app, words);
  if (!arguments) return usage_error(std::move(arguments).error());
  try {
    std::vector<std::string> reversed(arguments->words.rbegin(),
                                      arguments->words.rend());  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    return report(app, e, *arguments);
  }
  for (const Command& command : program.commands)
    if (command.app->parsed()) return run(command, *arguments);
  return print_help(app, *program.help_topic);
}

}  // namespace
}  // namespace adder::cli

int main(int argc, char** argv) {
  adder::cli::prepare_process();
  try {
    return static_cast<int>(adder::cli::run_program({argv + std::min(argc, 1), argv + argc}));
  } catch (...) {
    adder::cli::print_error_of(std::current_exception());
  }
  return static_cast<int>(adder::cli::ExitCode::failed);
}
