#include <fmt/format.h>

#include <exception>
#include <sstream>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/last_words.h"
#include "pjrt/plugin.h"

namespace adder::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  adder generate -m models/austen-3.6m -p "It is a truth" -n 100
  adder forward -m DIR --ids 1,2,3 --out result.safetensors
  adder inspect DIR --tensors
  adder pull ORG/NAME
  adder convert SRC OUT
  adder quantize SRC OUT
  adder devices
`adder COMMAND --help` lists a command's options. stdout carries results only.
Exit status: 0 done, 1 failure, 2 usage, 130 interrupted.)";

ExitCode print_result(const std::string& text) {
  const Status printed = print(text);
  if (printed) return ExitCode::done;
  print_error(printed.error());
  return ExitCode::failed;
}

/// CLI11's own outcome of parsing: help and version to stdout, mistakes to stderr.
ExitCode report(const CLI::App& app, const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) {
    std::ostringstream text;
    app.exit(e, text, text);
    return print_result(text.str());
  }
  std::string command = "adder";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  print_error({ErrorCode::invalid_argument, e.what(), fmt::format("see `{} --help`", command)});
  return ExitCode::usage;
}

ExitCode run(const Command& command) {
  if (Status usage = command.check ? command.check() : Status(); !usage) {
    Error error = std::move(usage).error();
    if (error.hint.empty()) error.hint = fmt::format("see `adder {} --help`", command.app->get_name());
    print_error(error);
    return ExitCode::usage;
  }
  Result<ExitCode> code = command.run();
  if (code) return *code;
  print_error(code.error());
  return code.error().code == ErrorCode::cancelled ? ExitCode::interrupted : ExitCode::failed;
}

const CLI::App* find_command(const CLI::App& app, const std::string& command) {
  for (const CLI::App* sub : app.get_subcommands(nullptr))
    if (sub->get_name() == command) return sub;
  return nullptr;
}

ExitCode no_such_command(const std::string& command) {
  print_error({ErrorCode::invalid_argument, fmt::format("there is no command {}", in_quotes(command)),
               "see `adder help`"});
  return ExitCode::usage;
}

ExitCode print_help(const CLI::App& app, const std::string& topic) {
  const CLI::App* about = topic.empty() ? &app : find_command(app, topic);
  if (!about) return no_such_command(topic);
  return print_result(about->help(topic.empty() ? "" : "adder"));
}

ExitCode run_program(int argc, char** argv) {
  CLI::App app("Adder runs state space models through any PJRT plugin.", "adder");
  app.set_version_flag(
      "--version",
      fmt::format("adder {} (PJRT API {})", ADDER_VERSION, to_string(pjrt::header_api_version())),
      "print the version");
  app.require_subcommand(0, 1);
  app.footer(kExamples);
  const Command commands[] = {declare_generate(app), declare_forward(app),  declare_inspect(app),
                              declare_devices(app),  declare_bench(app),    declare_pull(app),
                              declare_convert(app),  declare_quantize(app), declare_perplexity(app),
                              declare_profile(app)};
  CLI::App& help = *app.add_subcommand("help", "say what a command does");
  std::string topic;
  help.add_option("command", topic, "which command");
  if (argc < 2) {
    print_note(app.help());
    return ExitCode::usage;
  }
  if (argv[1][0] != '-' && !find_command(app, argv[1])) return no_such_command(argv[1]);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return report(app, e);
  }
  for (const Command& command : commands)
    if (command.app->parsed()) return run(command);
  return print_help(app, topic);
}

}  // namespace
}  // namespace adder::cli

int main(int argc, char** argv) {
  adder::cli::prepare_process();
  try {
    return static_cast<int>(adder::cli::run_program(argc, argv));
  } catch (...) {
    adder::cli::print_error_of(std::current_exception());
  }
  return static_cast<int>(adder::cli::ExitCode::failed);
}
