#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "checkpoint/checkpoint.h"

// Where a command's results will go is looked at before the work, not after it.
namespace adder::cli {

/// A file that a flag names; no path: the flag was not given.
struct NamedFile {
  std::string_view flag;
  std::filesystem::path path;
};

/// Error invalid_argument: two flags name one file, or `outputs` one of `inputs` ("-" is none).
Status check_distinct(std::span<const NamedFile> outputs, std::span<const NamedFile> inputs);

/// Whether all of them can be written (see AtomicFile::check), as far as one can tell beforehand.
Status check_writable(std::span<const NamedFile> outputs);

/// Error invalid_argument: one of them would replace a file of the model.
Status check_not_model(std::span<const NamedFile> outputs, const checkpoint::Checkpoint& model);

}  // namespace adder::cli
