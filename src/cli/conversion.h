#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "base/dtype.h"
#include "checkpoint/convert.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/help.h"

// What `adder convert` and `adder quantize` share: one checkpoint in, a new directory out.
namespace adder::cli {

struct ConversionOptions {
  std::filesystem::path source, out;
  std::uint64_t max_shard_bytes = checkpoint::ConvertOptions().max_shard_bytes;
  ConsoleOptions console;
  bool json = false;
};

/// Everything of ConversionOptions as positional arguments and flags.
void add_conversion_options(CLI::App& app, ConversionOptions& options);

/// Reads the source and writes it in `dtype` (see checkpoint::ConvertOptions); a GGUF file's vocabulary
/// becomes a tokenizer.json. Prints the directory, or with --json one object. An interrupt leaves nothing.
Result<ExitCode> run_conversion(const ConversionOptions& options, std::optional<DType> dtype);

}  // namespace adder::cli
