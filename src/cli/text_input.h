#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder::cli {

/// All of a file, pipe or device, such as /dev/stdin or what a shell makes of <(...); "-" is standard input.
/// Errors: not_found, invalid_argument (a directory), unsupported (over 256 MiB, as of a device
/// without an end), the system's reason.
Result<std::string> read_text_file(const std::filesystem::path& path);

/// The same without one newline at its end, which editors and `echo` put there: a prompt, as llama.cpp reads
/// it.
Result<std::string> read_prompt_file(const std::filesystem::path& path);

/// Whether something other than a terminal is at standard input, so that it can hold a text.
bool stdin_holds_text();

/// \n, \t, \r, \a, \0, \e, \', \", \\ and \xHH as what they stand for; anything else after a backslash stays
/// with it.
std::string unescape(std::string_view text);

}  // namespace adder::cli
