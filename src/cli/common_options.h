#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "cli/console.h"
#include "engine/engine.h"

// Flags that several subcommands share: each struct with the function that declares it.
namespace adder::cli {

/// Which model, on which device, computed how.
struct ModelOptions {
  std::filesystem::path model;
  std::string plugin = "cpu";
  int device = 0;
  std::string dtype = "f32", precision = "highest";
  std::filesystem::path dump_hlo;
  std::uint64_t cache_limit = pjrt::kDefaultCacheLimit;
  bool no_cache = false, no_tune = false;
};

void add_console_options(CLI::App& app, ConsoleOptions& options);
void add_model_options(CLI::App& app, ModelOptions& options);
/// All of those but --model itself.
void add_run_options(CLI::App& app, ModelOptions& options);

/// What -m names: the path itself if it exists or cannot be ORG/NAME[@REV], else that model in the Hugging
/// Face cache (hub::locate).
Result<std::filesystem::path> find_model(const std::filesystem::path& model);

/// Opens the model on the device, without its weights. `console` must outlive the engine.
Result<engine::Engine> open_engine(const ModelOptions& options, const ConsoleOptions& verbosity,
                                   Console& console);

}  // namespace adder::cli
