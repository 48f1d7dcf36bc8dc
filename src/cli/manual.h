#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder::cli {

/// The manual page of the whole program, adder(1), as roff: every command with its options, from the table
/// that parsing and help read. `version` is a version alone, "0.1.0".
std::string man_page(const CLI::App& program, std::string_view version);

/// A script that completes commands, options and their values in `shell`: bash, zsh or fish. Error
/// invalid_argument for another shell.
Result<std::string> completion_script(const CLI::App& program, std::string_view shell);

}  // namespace adder::cli
