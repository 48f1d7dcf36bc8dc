#pragma once

#include <filesystem>
#include <functional>

#include "adder/error.h"
#include "hub/supervision.h"

namespace adder::hub {

/// An exclusive flock(2) on a file made for it, held while this lives; the system lets go of it when the
/// process dies. The file stays: deleting it would let two holders in. huggingface_hub locks the same files
/// in the same way. Move-only.
class FileLock {
 public:
  /// Waits as long as it takes, calling `on_wait` once if another holds it. Makes the folders on the way.
  /// Errors: cancelled, internal (the system's reason).
  static Result<FileLock> acquire(const std::filesystem::path& path, const Supervision& watch,
                                  const std::function<void()>& on_wait);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;  // -1: moved from
};

}  // namespace adder::hub
