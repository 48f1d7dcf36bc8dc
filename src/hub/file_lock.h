#pragma once

#include <filesystem>
#include <functional>

#include "adder/error.h"
#include "base/file_lock.h"
#include "hub/supervision.h"

namespace adder::hub {

/// adder::FileLock, waited for; huggingface_hub locks the same files in the same way.
class FileLock {
 public:
  /// Waits as long as it takes, calling `on_wait` once if another holds it. Makes the folders on the way.
  /// Errors: cancelled, internal (the system's reason).
  static Result<FileLock> acquire(const std::filesystem::path& path, const Supervision& watch,
                                  const std::function<void()>& on_wait);

 private:
  explicit FileLock(adder::FileLock held) : held_(std::move(held)) {}
  adder::FileLock held_;
};

}  // namespace adder::hub
