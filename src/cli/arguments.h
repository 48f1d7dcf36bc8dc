#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

// What comes before CLI11: names that other programs have for the same things, and what was probably meant.
namespace adder::cli {

struct Arguments {
  std::vector<std::string> words;            ///< for CLI11, the program's name not among them
  std::map<std::string, std::string> typed;  ///< an option's own long name -> what the user wrote

  /// A message that names options by their own names, in the words of the user.
  std::string in_users_words(std::string message) const;
};

/// Replaces options that llama.cpp, vLLM or transformers call differently by `program`'s own (-hf, -model,
/// --max-tokens, --top_k, ...). Errors, all invalid_argument with a hint: a command or an option that does
/// not exist, with the nearest one that does; an option of theirs that cannot mean anything here, with the
/// reason.
Result<Arguments> understand(const CLI::App& program, const std::vector<std::string>& words);

/// The one of `candidates` that `word` was probably meant to be; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace adder::cli
