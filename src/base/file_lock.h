#pragma once

#include <filesystem>
#include <optional>

#include "adder/error.h"

namespace adder {

/// An exclusive flock(2) on a file made for it, held while this lives; the system lets go of it when the
/// process dies. The file stays: deleting it would let two holders in. Move-only.
class FileLock {
 public:
  /// Does not wait: nullopt where another holds it. The folder must be there. Errors:
  /// internal, resource_exhausted, with the system's reason.
  static Result<std::optional<FileLock>> try_acquire(const std::filesystem::path& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;  // -1: moved from
};

}  // namespace adder
