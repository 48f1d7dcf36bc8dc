#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>

#include "adder/error.h"

namespace adder {

/// Which file, in which state: as long as all of it is the same, so is the content. The time of the last
/// change of the inode cannot be set, so that content changed under a restored modification time is told too;
/// what happens within one tick of the file system's clock after that time is not (see is_settled).
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;  ///< since 1970

  bool operator==(const FileIdentity&) const = default;

  /// Whether a change from `now_ns` on must show in the times: they are older than any clock's tick (2 s,
  /// FAT's).
  bool is_settled(std::int64_t now_ns) const;
};

/// Of an open file; `path` is for the message. Errors: those of system_failure.
Result<FileIdentity> identity_of(int fd, const std::filesystem::path& path);
/// Of what is at `path` now. Errors: the same.
Result<FileIdentity> identity_of(const std::filesystem::path& path);

}  // namespace adder
