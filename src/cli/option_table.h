#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

// The declared commands and options as data, for what is written from them besides help.
namespace adder::cli {

struct OptionRow {
  std::vector<std::string> names;    ///< "-m", "--model": with dashes; empty for an argument that has no flag
  std::string argument;              ///< a positional's name, "" for options that are flags only
  std::string value;                 ///< "DIR|FILE", "N", "f32|bf16"; "" for a flag that takes no value
  std::vector<std::string> choices;  ///< where only these will do
  std::string description;
  std::string standard;  ///< the default as text, "" if there is none to show
  std::string variable;  ///< the environment variable that sets it too, or ""
  bool required = false;
  bool takes_value() const { return !value.empty(); }
  /// Whether the value is a path, as its type says: DIR, FILE or PATH.
  bool takes_path() const;
};

struct CommandRow {
  std::string name, description, footer;
  std::vector<OptionRow> options;
};

/// The options of `app` in their order of declaration, without those of a hidden group ("").
std::vector<OptionRow> option_rows(const CLI::App& app);

/// The subcommands of `program`, without hidden ones.
std::vector<CommandRow> command_rows(const CLI::App& program);

}  // namespace adder::cli
