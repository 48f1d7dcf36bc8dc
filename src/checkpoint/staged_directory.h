#pragma once

#include <filesystem>
#include <utility>

#include "adder/error.h"

namespace adder::checkpoint {

/// A directory that gets its name only when it is complete: files are written into a hidden one beside it,
/// which commit() renames. Destroying it without a successful commit() removes what was written. Move-only;
/// one thread at a time.
class StagedDirectory {
 public:
  /// `target` must not exist or be empty; its parent is made if it is missing. Errors: invalid_argument (the
  /// target is a file, or holds something), internal (the system's reason).
  static Result<StagedDirectory> create(const std::filesystem::path& target);

  StagedDirectory(StagedDirectory&& other) noexcept;
  StagedDirectory& operator=(StagedDirectory&&) = delete;
  ~StagedDirectory();

  /// Where to write meanwhile.
  const std::filesystem::path& path() const { return staging_; }
  /// Gives the directory its name. Error internal with the system's reason (somebody filled the target).
  Status commit();

 private:
  StagedDirectory(std::filesystem::path target, std::filesystem::path staging)
      : target_(std::move(target)), staging_(std::move(staging)) {}

  std::filesystem::path target_, staging_;  // staging_ is empty: moved from or committed
};

}  // namespace adder::checkpoint
