#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace adder::cli {

/// Every command with every option: the one table that parsing, help, the man page and shell completions
/// read.
struct Program {
  std::unique_ptr<CLI::App> app;
  std::vector<Command> commands;  ///< all but `help`, which main answers
  std::shared_ptr<std::string> help_topic;
};

/// Declares all of it. Help is wrapped to `width` columns.
Program make_program(std::size_t width);

/// The subcommand of that name, or nullptr.
const CLI::App* find_command(const CLI::App& program, const std::string& command);

}  // namespace adder::cli
