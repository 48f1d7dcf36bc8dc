#include "cli/help.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

namespace adder::cli {
namespace {

constexpr std::size_t kNameColumn = 30, kCommandColumn = 14;

/// Where a group stands in help; groups that are not named here come after the common options.
std::size_t rank(const std::string& group) {
  static constexpr std::array<std::string_view, 7> kOrder{kCommonGroup,   kPromptGroup, kLengthGroup, "",
                                                          kSamplingGroup, kDeviceGroup, kOutputGroup};
  const auto found = std::find(kOrder.begin(), kOrder.end(), group);
  return found == kOrder.end() ? 3 : static_cast<std::size_t>(found - kOrder.begin());
}

/// "-m, --model DIR" or, in the list of arguments, "MODEL DIR".
std::string left_column(const CLI::Option& option, bool positional) {
  std::string name;
  if (positional) {
    name = option.get_name(true);
  } else {
    name = option.get_name(false, true);
    for (std::size_t at = name.find(','); at != std::string::npos; at = name.find(',', at + 2))
      name.insert(at + 1, 1, ' ');
    if (name.starts_with("--")) name.insert(0, 4, ' ');
  }
  // CLI11 appends what its checks expect, after a colon; the sentence says it better.
  const std::string type = option.get_type_name();
  if (option.get_type_size() != 0 && !type.empty()) name += " " + type.substr(0, type.find(':'));
  if (option.get_expected_max() >= CLI::detail::expected_max_vector_size) name += " ...";
  return name;
}

/// The sentence, then what there is to know besides: the default, the variable, whether it has to be there.
std::string right_column(const CLI::Option& option) {
  std::string out = option.get_description();
  if (option.get_type_size() != 0 && !option.get_default_str().empty() && option.get_default_str() != "\"\"")
    out += fmt::format(" (default: {})", option.get_default_str());
  if (!option.get_envname().empty()) out += fmt::format(" [${}]", option.get_envname());
  if (option.get_required()) out += " [required]";
  return out;
}

std::string two_columns(const std::string& left, const std::string& right, std::size_t column,
                        std::size_t width) {
  std::string out = "  " + left;
  if (right.empty()) return out + "\n";
  if (out.size() + 2 > column) {
    out += "\n" + std::string(column, ' ');
  } else {
    out.resize(column, ' ');
  }
  return out + wrap(right, width > column + 20 ? width - column : 20, column) + "\n";
}

class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::size_t width) : width_(width) {}

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode /*mode*/) const override {
    std::string out = wrap(app->get_description(), width_, 0) + "\n\n" + usage(*app, name);
    out += commands(*app) + arguments(*app) + options(*app);
    return app->get_footer().empty() ? out : out + "\n" + app->get_footer() + "\n";
  }

 private:
  std::string usage(const CLI::App& app, const std::string& name) const {
    std::string out = "Usage:" + (name.empty() ? "" : " " + name);
    if (!app.get_subcommands(nullptr).empty()) return out + " COMMAND [options]\n";
    out += " [options]";
    for (const CLI::Option* o : positionals(app)) {
      std::string argument = o->get_name(true);
      std::transform(argument.begin(), argument.end(), argument.begin(), ::toupper);
      if (o->get_expected_max() >= CLI::detail::expected_max_vector_size) argument += " ...";
      out += o->get_required() ? " " + argument : " [" + argument + "]";
    }
    return out + "\n";
  }

  static std::vector<const CLI::Option*> positionals(const CLI::App& app) {
    return app.get_options(
        [](const CLI::Option* o) { return o->get_positional() && !o->get_group().empty(); });
  }

  /// Arguments that no option names too: those are listed as options.
  std::string arguments(const CLI::App& app) const {
    std::string out;
    for (const CLI::Option* o : positionals(app))
      if (!o->nonpositional())
        out += two_columns(left_column(*o, true), right_column(*o), kNameColumn, width_);
    return out.empty() ? out : "\nArguments:\n" + out;
  }

  std::string options(const CLI::App& app) const {
    std::vector<std::string> groups = app.get_groups();
    std::stable_sort(groups.begin(), groups.end(),
                     [](const auto& a, const auto& b) { return rank(a) < rank(b); });
    std::string out;
    for (const std::string& group : groups) {
      auto members = app.get_options([&](const CLI::Option* o) {
        return o->get_group() == group && !group.empty() && o->nonpositional();
      });
      std::stable_partition(members.begin(), members.end(),
                            [&](const CLI::Option* o) { return o != app.get_help_ptr(); });
      if (!members.empty()) out += "\n" + group + ":\n";
      for (const CLI::Option* o : members)
        out += two_columns(left_column(*o, false), right_column(*o), kNameColumn, width_);
    }
    return out;
  }

  std::string commands(const CLI::App& app) const {
    std::vector<std::string> groups;
    for (const CLI::App* sub : app.get_subcommands(nullptr))
      if (std::find(groups.begin(), groups.end(), sub->get_group()) == groups.end())
        groups.push_back(sub->get_group());
    std::string out;
    for (const std::string& group : groups) {
      if (group.empty()) continue;  // hidden
      out += "\n" + group + ":\n";
      for (const CLI::App* sub : app.get_subcommands(nullptr))
        if (sub->get_group() == group)
          out += two_columns(sub->get_name(), sub->get_description(), kCommandColumn, width_);
    }
    return out;
  }

  std::size_t width_;
};

}  // namespace

std::string examples(const std::vector<std::string_view>& lines) {
  std::string out = "Examples:";
  for (const std::string_view line : lines) out += fmt::format("\n  {}", line);
  return out;
}

void set_help_format(CLI::App& app, std::size_t width) {
  app.formatter(std::make_shared<HelpFormatter>(width));
  app.option_defaults()->group(kCommonGroup);
  app.set_help_flag("-h,--help", "print this and exit")->group(kOutputGroup);
}

std::size_t help_width() {
  std::size_t width = 80;
  if (const char* columns = std::getenv("COLUMNS"); columns && std::atoi(columns) > 0)
    width = static_cast<std::size_t>(std::atoi(columns));
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) width = size.ws_col;
  return std::clamp<std::size_t>(width, 40, 110);
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  const auto new_line = [&] {
    out += "\n" + std::string(indent, ' ');
    column = 0;
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (column > 0 && column + 1 + word.size() > width) new_line();
    if (column > 0 && !word.empty()) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    if (end < text.size() && text[end] == '\n') new_line();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace adder::cli
