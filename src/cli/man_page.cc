#include <fmt/format.h>

#include <map>

#include "cli/manual.h"
#include "cli/option_table.h"

namespace adder::cli {
namespace {

/// Text for roff: nothing in it is a request or an escape, and '-' is the character that a user can paste.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string option_entry(const OptionRow& row) {
  std::string names;
  for (const std::string& name : row.names)
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  if (row.names.empty()) names = fmt::format("\\fI{}\\fR", roff(row.argument));
  if (row.takes_value() && !row.names.empty()) names += fmt::format(" \\fI{}\\fR", roff(row.value));
  std::string text = roff(row.description);
  if (!row.standard.empty()) text += fmt::format(" (default: {})", roff(row.standard));
  if (!row.variable.empty()) text += fmt::format(" [${}]", roff(row.variable));
  if (row.required) text += " [required]";
  return fmt::format(".TP\n{}\n{}\n", names, text);
}

std::string usage(const CommandRow& command) {
  std::string out = fmt::format("\\fBadder {}\\fR [\\fIoptions\\fR]", roff(command.name));
  for (const OptionRow& row : command.options)
    if (!row.argument.empty())
      out += row.required && row.names.empty() ? fmt::format(" \\fI{}\\fR", roff(row.argument))
                                               : fmt::format(" [\\fI{}\\fR]", roff(row.argument));
  return out;
}

std::string environment(const std::vector<CommandRow>& commands) {
  std::map<std::string, std::string> variables;
  for (const CommandRow& command : commands)
    for (const OptionRow& row : command.options)
      if (!row.variable.empty())
        variables.emplace(row.variable, row.names.empty() ? row.argument : row.names.back());
  std::string out;
  for (const auto& [variable, name] : variables)
    out += fmt::format(".TP\n\\fB{}\\fR\nThe same as \\fB{}\\fR.\n", roff(variable), roff(name));
  return out.empty() ? out : ".SH ENVIRONMENT\n" + out;
}

}  // namespace

std::string man_page(const CLI::App& program, std::string_view version) {
  const std::vector<CommandRow> commands = command_rows(program);
  std::string out = fmt::format(
      ".TH ADDER 1 \"\" \"adder {}\" \"User Commands\"\n.SH NAME\nadder \\- run state space models through "
      "any PJRT "
      "plugin\n.SH SYNOPSIS\n",
      roff(version));
  for (const CommandRow& command : commands) out += usage(command) + "\n.br\n";
  out += ".SH DESCRIPTION\n" + roff(program.get_description()) +
         "\nResults go to the standard output, progress and messages to the standard error.\n.SH OPTIONS\n";
  for (const OptionRow& row : option_rows(program)) out += option_entry(row);
  out += ".SH COMMANDS\n";
  for (const CommandRow& command : commands) {
    out += fmt::format(".SS \"adder {}\"\n{}\n", roff(command.name), roff(command.description));
    for (const OptionRow& row : command.options) out += option_entry(row);
    if (!command.footer.empty()) out += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.footer));
  }
  return out + environment(commands) +
         ".SH EXIT STATUS\n0 done, 1 failure, 2 usage, 130 interrupted.\n.SH FILES\n.TP\n"
         "\\fI~/.cache/adder\\fR\ncompiled programs and measured choices; it may be removed at any time\n";
}

}  // namespace adder::cli
