#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "cli/console.h"
#include "cli/help.h"
#include "cli/model_source.h"
#include "engine/engine.h"

// Flags that several subcommands share: each struct with the function that declares it.
namespace adder::cli {

/// Which model, on which device, computed how.
struct ModelOptions {
  std::filesystem::path model;
  std::string plugin = "cpu";
  int device = 0;
  std::string dtype = "auto", precision = "highest", policy;
  std::optional<bool> preallocate;
  std::optional<float> memory_fraction;
  std::int64_t threads = 0;  ///< 0: as many as there are CPUs
  std::filesystem::path dump_hlo;
  bool pull = false;  ///< download ORG/NAME if it is not in the cache
  std::uint64_t cache_limit = pjrt::kDefaultCacheLimit;
  bool no_cache = false, no_tune = false;
  std::vector<std::int64_t> tune_rows{1};  ///< EngineOptions::tune_rows; no flag: commands know
  bool retune = false;                     ///< autotune again; no flag of a model's, but of `adder devices`
};

/// Said where a command was given no model.
inline constexpr std::string_view kNoModel = "no model: give it as the first argument or with -m/--model";

void add_console_options(CLI::App& app, ConsoleOptions& options);
/// --model, also as the first argument, and all of the following.
void add_model_options(CLI::App& app, ModelOptions& options);
/// All of those but --model itself.
void add_run_options(CLI::App& app, ModelOptions& options);

/// --dtype and --precision alone, and what their values stand for; nullopt is auto.
void add_dtype_option(CLI::App& app, std::string& dtype);
void add_precision_option(CLI::App& app, std::string& precision);
std::optional<DType> weight_dtype(const std::string& dtype);
hlo::Precision precision_of(const std::string& name);

/// What --pull allows.
Fetch fetch_of(const ModelOptions& options);

/// Opens the model on the device, without its weights. `console` must outlive the engine.
Result<engine::Engine> open_engine(const ModelOptions& options, const ConsoleOptions& verbosity,
                                   Console& console);

/// How the engine keeps weights, as --dtype says it: "f32", "bf16", "int8".
std::string dtype_name(const engine::Engine& engine);
std::string dtype_name(DType dtype);
/// The same, and whether --dtype auto chose it: "bf16 (auto)".
std::string dtype_note(const ModelOptions& options, const engine::Engine& engine);

}  // namespace adder::cli
