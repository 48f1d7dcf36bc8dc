#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "base/leftovers.h"

namespace adder::checkpoint {

/// A directory that gets its content only when it is complete. One that is not there yet is written under a
/// hidden name beside it, which commit() renames; its parents are made. One that is there, and empty, may be
/// the working directory, a mount point or behind a link, none of which a rename can replace: it is written
/// in a hidden folder inside, on its own disk, out of which commit() moves the files, config.json last.
/// Destroying it without a successful commit() removes all that was made; what a killed process left is
/// removed by the next create() of the same target. Move-only; one thread at a time.
class StagedDirectory {
 public:
  /// Finds out before any work whether `target` can be made. Errors: invalid_argument (the target is a file,
  /// a link to nothing, or holds something), the system's reason.
  static Result<StagedDirectory> create(const std::filesystem::path& target);

  StagedDirectory(StagedDirectory&& other) noexcept;
  StagedDirectory& operator=(StagedDirectory&&) = delete;
  ~StagedDirectory();

  /// Where to write meanwhile.
  const std::filesystem::path& path() const { return staging_.path; }
  /// Puts everything in its place. Error with the system's reason, or that somebody filled the target.
  Status commit();

 private:
  StagedDirectory(std::filesystem::path target, std::vector<std::filesystem::path> made, Unfinished staging);
  bool inside() const { return staging_.path.parent_path() == target_; }
  Status move_out();

  std::filesystem::path target_;             // resolved: absolute, no links
  std::vector<std::filesystem::path> made_;  // parents that were not there, the deepest last
  Unfinished staging_;                       // its path is empty: moved from or committed
};

}  // namespace adder::checkpoint
