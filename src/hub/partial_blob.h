#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "adder/error.h"
#include "hub/digest.h"
#include "hub/remote.h"

namespace adder::hub {

/// A blob on its way: NAME.incomplete, which gets its final name only when size and checksum are right. It
/// stays when this is destroyed, for a later run to go on from. The caller holds the blob's lock. Move-only.
class PartialBlob {
 public:
  /// Opens or makes the file beside `target` and reads what is there through the checksum. What cannot be the
  /// beginning of the content (too long, or not to be checked later) is dropped. Error cancelled.
  static Result<PartialBlob> open(const std::filesystem::path& target, const FileMetadata& expected,
                                  const Supervision& watch);

  PartialBlob(PartialBlob&& other) noexcept;
  PartialBlob& operator=(PartialBlob&& other) = delete;
  ~PartialBlob();

  std::uint64_t size() const { return size_; }
  bool complete() const { return size_ == expected_.size; }

  /// Appends. Errors: corrupt (more than the expected size), resource_exhausted (disk full).
  Status write(std::span<const std::byte> bytes);
  /// Back to nothing.
  Status restart();
  /// Checks, makes durable, renames. Error corrupt: the content is not what was promised; the file is
  /// emptied, so that the next attempt starts anew.
  Status commit();

 private:
  PartialBlob(std::filesystem::path target, FileMetadata expected, int fd);
  Status read_existing(const Supervision& watch);

  std::filesystem::path target_, partial_;
  FileMetadata expected_;
  Digest digest_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// NAME.incomplete beside it.
std::filesystem::path partial_path(const std::filesystem::path& target);

}  // namespace adder::hub
