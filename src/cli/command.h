#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "adder/error.h"

namespace adder::cli {

/// The program's exit status: part of the contract with scripts.
enum class ExitCode { done = 0, failed = 1, usage = 2, interrupted = 130 };

/// A subcommand as main sees it. Its options live in a struct that the closures share.
struct Command {
  CLI::App* app = nullptr;
  /// What CLI11 cannot check by itself; an error here is a usage error.
  std::function<Status()> check;
  /// Results go to stdout, all else to stderr. An error is printed by main.
  std::function<Result<ExitCode>()> run;
};

// Each declares one subcommand with its flags on `parent`; one file per subcommand.
Command declare_generate(CLI::App& parent);
Command declare_forward(CLI::App& parent);
Command declare_inspect(CLI::App& parent);
Command declare_devices(CLI::App& parent);
Command declare_bench(CLI::App& parent);
Command declare_perplexity(CLI::App& parent);
Command declare_profile(CLI::App& parent);
Command declare_convert(CLI::App& parent);
Command declare_quantize(CLI::App& parent);
Command declare_compile(CLI::App& parent);
Command declare_pull(CLI::App& parent);
Command declare_completions(CLI::App& parent);
Command declare_man(CLI::App& parent);

}  // namespace adder::cli
