#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "cli/command.h"
#include "cli/common_options.h"

namespace adder::cli {

/// `adder bench --suite paper` and `adder bench --report FILE...`.
struct SuiteFlags {
  std::string suite;                           ///< "paper", or empty: no suite
  std::vector<std::filesystem::path> reports;  ///< suite files to draw again, instead of measuring
  std::filesystem::path out;          ///< folder for suite.json and report.html; empty: JSON to stdout
  std::vector<std::int64_t> lengths;  ///< empty: the suite's own
  std::optional<std::int64_t> max_position;
  std::optional<double> budget_s;
  bool quick = false;

  bool wanted() const { return !suite.empty() || !reports.empty(); }
};

void add_suite_flags(CLI::App& app, SuiteFlags& flags);
/// Usage errors that CLI11 cannot see. `models` is how many -m there were.
Status check_suite_flags(const SuiteFlags& flags, std::size_t models);

/// Measures each model in turn, or draws reports again. `repetitions`: -r if given.
Result<ExitCode> run_suites(const SuiteFlags& flags, const std::vector<std::filesystem::path>& models,
                            const ModelOptions& how, const ConsoleOptions& verbosity,
                            std::optional<std::int64_t> repetitions);

}  // namespace adder::cli
