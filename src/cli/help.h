#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// How help looks: the same for every command.
namespace adder::cli {

// The groups that options come in. Help shows them in this order, whatever the order of declaration, and
// groups of a command's own after the first.
inline constexpr const char* kCommonGroup = "Common options";
inline constexpr const char* kPromptGroup = "Prompt";
inline constexpr const char* kLengthGroup = "How much";
inline constexpr const char* kSamplingGroup = "Sampling";
inline constexpr const char* kDeviceGroup = "Model and device";
inline constexpr const char* kOutputGroup = "Output";

/// The footer of a command's help: "Examples:" and each line indented.
std::string examples(const std::vector<std::string_view>& lines);

/// Sets how `app`, and whatever is declared on it afterwards, prints its help: a description, the usage, the
/// options by group in two columns wrapped to `width` columns, the footer.
void set_help_format(CLI::App& app, std::size_t width);

/// Columns of the terminal that stdout is, else $COLUMNS, else 80; between 40 and 110.
std::size_t help_width();

/// `text` broken at blanks so that no line is longer than `width` (a longer word is not broken), lines after
/// the first starting with `indent` blanks. Newlines in it stay. No newline at the end.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace adder::cli
