#include <fmt/format.h>

#include "base/json.h"
#include "cli/manual.h"
#include "cli/option_table.h"

namespace adder::cli {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

std::vector<std::string> all_names(const std::vector<OptionRow>& rows) {
  std::vector<std::string> out;
  for (const OptionRow& row : rows) out.insert(out.end(), row.names.begin(), row.names.end());
  return out;
}

/// Text inside single quotes of bash and zsh, with what `special` holds behind a backslash.
std::string escaped(std::string_view text, std::string_view special = "") {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (special.find(c) != std::string_view::npos) {
      out += fmt::format("\\{}", c);
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string single_quoted(std::string_view text) { return "'" + escaped(text) + "'"; }

// bash

std::string bash_command(const CommandRow& command) {
  std::string cases, plain;
  for (const OptionRow& row : command.options) {
    if (!row.takes_value() || row.names.empty()) continue;
    const std::string names = joined(row.names, "|");
    if (!row.choices.empty()) {
      cases +=
          fmt::format("        {}) words={}; break ;;\n", names, single_quoted(joined(row.choices, " ")));
    } else if (row.takes_path()) {
      cases += fmt::format("        {}) files=yes; break ;;\n", names);
    } else {
      plain += (plain.empty() ? "" : "|") + names;
    }
  }
  if (!plain.empty()) cases += fmt::format("        {}) return ;;\n", plain);
  return fmt::format("    {})\n      case $previous in\n{}      esac\n      words={} ;;\n", command.name,
                     cases.empty() ? "        *) ;;\n" : cases,
                     single_quoted(joined(all_names(command.options), " ")));
}

std::string bash_script(const CLI::App& program) {
  std::vector<std::string> first;
  std::string cases;
  for (const CommandRow& command : command_rows(program)) {
    first.push_back(command.name);
    cases += bash_command(command);
  }
  for (std::string& name : all_names(option_rows(program))) first.push_back(std::move(name));
  return fmt::format(R"(# Completions of adder for bash, as `adder completions bash` prints them.
_adder() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command='' words='' files='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    [[ ${{COMP_WORDS[i]}} == -* ]] || {{ command=${{COMP_WORDS[i]}}; break; }}
  done
  while :; do
    case $command in
    '') words={} ;;
{}    esac
    [[ $current == -* || -z $command ]] || files=yes
    break
  done
  if [[ $files == yes ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}}
complete -F _adder adder
)",
                     single_quoted(joined(first, " ")), cases);
}

// zsh

std::string zsh_action(const OptionRow& row) {
  if (!row.choices.empty()) return "(" + joined(row.choices, " ") + ")";
  return row.takes_path() ? "_files" : " ";
}

/// One specification of _arguments.
std::string zsh_option(const OptionRow& row) {
  if (row.names.empty()) return single_quoted("*:" + row.argument + ":_files");
  std::string rest = "[" + escaped(row.description, "[]:") + "]";
  if (row.takes_value()) rest += ":" + escaped(row.value, ":") + ":" + escaped(zsh_action(row));
  if (row.names.size() == 1) return "'" + row.names[0] + rest + "'";
  return fmt::format("'({})'{{{}}}'{}'", joined(row.names, " "), joined(row.names, ","), rest);
}

std::string zsh_script(const CLI::App& program) {
  std::string described, cases;
  for (const CommandRow& command : command_rows(program)) {
    described += "    '" + command.name + ":" + escaped(command.description, ":") + "'\n";
    cases += fmt::format("    {})\n      _arguments -s", command.name);
    for (const OptionRow& row : command.options) cases += " \\\n        " + zsh_option(row);
    cases += " \\\n        '*: :_files' ;;\n";
  }
  return fmt::format(R"(#compdef adder
# Completions of adder for zsh, as `adder completions zsh` prints them.
_adder() {{
  local -a commands
  commands=(
{}  )
  if ((CURRENT == 2)); then
    _describe -t commands command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
{}  esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _adder "$@"; else compdef _adder adder; fi
)",
                     described, cases);
}

// fish

std::string fish_option(const std::string& command, const OptionRow& row) {
  std::string out = fmt::format("complete -c adder -n '__fish_seen_subcommand_from {}'", command);
  for (const std::string& name : row.names) {
    if (name.starts_with("--")) {
      out += " -l " + name.substr(2);
    } else {
      out += (name.size() == 2 ? " -s " : " -o ") + name.substr(1);
    }
  }
  if (!row.choices.empty()) {
    out += " -x -a '" + joined(row.choices, " ") + "'";
  } else if (row.takes_value()) {
    out += row.takes_path() ? " -r -F" : " -x";
  }
  std::string description;  // fish knows \' and \\ in single quotes
  for (const char c : row.description)
    description += c == '\'' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
  return out + " -d '" + description + "'\n";
}

std::string fish_script(const CLI::App& program) {
  std::string out = "# Completions of adder for fish, as `adder completions fish` prints them.\n";
  for (const CommandRow& command : command_rows(program)) {
    out += fmt::format("complete -c adder -n __fish_use_subcommand -f -a {} -d {}\n", command.name,
                       single_quoted(command.description));
    for (const OptionRow& row : command.options)
      if (!row.names.empty()) out += fish_option(command.name, row);
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(const CLI::App& program, std::string_view shell) {
  if (shell == "bash") return bash_script(program);
  if (shell == "zsh") return zsh_script(program);
  if (shell == "fish") return fish_script(program);
  return fail(ErrorCode::invalid_argument, fmt::format("no completions for the shell {}", in_quotes(shell)),
              "bash, zsh or fish");
}

}  // namespace adder::cli
