#include "cli/program.h"

#include <fmt/format.h>

#include "cli/help.h"
#include "pjrt/plugin.h"

namespace adder::cli {
namespace {

constexpr const char* kFooter = R"(Start here:
  adder generate models/austen-3.6m -p "It is a truth" -n 100
  adder generate -hf AntonV/mamba2-130m-hf -p "Mamba is" -n 100

`adder COMMAND --help` lists a command's options and two examples.
stdout carries results only. Exit status: 0 done, 1 failure, 2 usage, 130 interrupted.)";

}  // namespace

Program make_program(std::size_t width) {
  Program out{
      .app = std::make_unique<CLI::App>("Adder runs state space models through any PJRT plugin.", "adder"),
      .commands = {},
      .help_topic = std::make_shared<std::string>()};
  CLI::App& app = *out.app;
  set_help_format(app, width);
  app.set_version_flag(
         "--version",
         fmt::format("adder {} (PJRT API {})", ADDER_VERSION, to_string(pjrt::header_api_version())),
         "print the version")
      ->group(kOutputGroup);
  app.require_subcommand(0, 1);
  app.footer(kFooter);
  const auto declare = [&](const char* group, const std::vector<Command (*)(CLI::App&)>& declarations) {
    for (const auto& declaration : declarations) {
      out.commands.push_back(declaration(app));
      out.commands.back().app->group(group);
    }
  };
  declare("Run a model", {declare_generate, declare_perplexity, declare_forward});
  declare("Get and change models", {declare_pull, declare_inspect, declare_convert, declare_quantize});
  declare("Measure", {declare_bench, declare_profile, declare_devices, declare_compile});
  for (const auto& declaration : {declare_completions, declare_man})
    out.commands.push_back(declaration(app));  // for the build; hidden from help
  CLI::App& help = *app.add_subcommand("help", "say what a command does");
  help.group("Help");
  help.add_option("command", *out.help_topic, "which command");
  help.footer(examples({"adder help", "adder help generate"}));
  for (CLI::App* sub : app.get_subcommands(nullptr)) sub->get_help_ptr()->group(kOutputGroup);
  return out;
}

const CLI::App* find_command(const CLI::App& program, const std::string& command) {
  for (const CLI::App* sub : program.get_subcommands(nullptr))
    if (sub->get_name() == command) return sub;
  return nullptr;
}

}  // namespace adder::cli
