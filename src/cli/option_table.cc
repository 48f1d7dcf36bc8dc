#include "cli/option_table.h"

namespace adder::cli {
namespace {

/// "TYPE:{a,b}", which is how CLI11 names the type of an option with a closed list, into "TYPE" and {a, b}.
void split_choices(OptionRow& row) {
  const auto open = row.value.find('{'), close = row.value.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return;
  std::string list = row.value.substr(open + 1, close - open - 1);
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    row.choices.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  row.value.clear();
  for (const std::string& choice : row.choices) row.value += (row.value.empty() ? "" : "|") + choice;
}

/// "N:NONNEGATIVE" and the like: what a check adds to the type is for messages.
void drop_check(OptionRow& row) {
  if (const auto colon = row.value.find(':'); colon != std::string::npos) row.value.resize(colon);
}

}  // namespace

bool OptionRow::takes_path() const {
  for (const char* word : {"DIR", "FILE", "PATH"})
    if (value.find(word) != std::string::npos) return true;
  return false;
}

std::vector<OptionRow> option_rows(const CLI::App& app) {
  std::vector<OptionRow> out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    OptionRow row;
    for (const std::string& name : option->get_snames()) row.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) row.names.push_back("--" + name);
    if (option->get_positional()) row.argument = option->get_name(true);
    if (option->get_items_expected_max() > 0) {
      row.value = option->get_type_name();
      split_choices(row);
      drop_check(row);
      if (row.value.empty()) row.value = "VALUE";
      row.standard = option->get_default_str();
    }
    row.description = option->get_description();
    row.variable = option->get_envname();
    row.required = option->get_required();
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<CommandRow> command_rows(const CLI::App& program) {
  std::vector<CommandRow> out;
  for (const CLI::App* sub : program.get_subcommands(nullptr))
    if (!sub->get_group().empty())
      out.push_back({sub->get_name(), sub->get_description(), sub->get_footer(), option_rows(*sub)});
  return out;
}

}  // namespace adder::cli
