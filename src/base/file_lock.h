#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include "adder/error.h"
#include "base/files.h"

namespace adder {

/// An exclusive flock(2) on a file made for it, held while this lives; the system lets go of it when the
/// process dies. The file stays: deleting it would let two holders in. Move-only.
class FileLock {
 public:
  /// Does not wait: nullopt where another holds it. The folder must be there. Errors: those of
  /// system_failure.
  static Result<std::optional<FileLock>> try_acquire(const std::filesystem::path& path);

 private:
  explicit FileLock(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;  // closing it unlocks
};

}  // namespace adder
