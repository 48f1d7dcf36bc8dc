#include "cli/command.h"
#include "cli/console.h"
#include "cli/manual.h"

// What the build asks the program itself for: see cmake/Install.cmake. Both are hidden from help.
namespace adder::cli {
namespace {

Result<ExitCode> printed(const Result<std::string>& text) {
  if (!text) return tl::unexpected(text.error());
  ADDER_CHECK(print(*text));
  return ExitCode::done;
}

}  // namespace

Command declare_completions(CLI::App& parent) {
  CLI::App& app =
      *parent.add_subcommand("completions", "print a script that completes this program's commands");
  app.group("");
  const auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return {&app, nullptr, [shell, &parent] { return printed(completion_script(parent, *shell)); }};
}

Command declare_man(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("man", "print the manual page as roff");
  app.group("");
  return {&app, nullptr, [&parent] { return printed(man_page(parent, ADDER_VERSION)); }};
}

}  // namespace adder::cli
