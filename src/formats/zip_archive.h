#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder::formats {

/// A zip archive (zip64 included) that lies in memory, whose entries are served in place. One thread at a
/// time.
class ZipArchive {
 public:
  struct Entry {
    std::uint64_t index = 0;  ///< in the central directory
    std::uint64_t size = 0;   ///< bytes, uncompressed
  };

  /// `bytes` must outlive the archive; `origin` names them in messages. Errors: corrupt (not a zip archive,
  /// an inconsistent one, two entries of one name).
  static Result<ZipArchive> open(std::span<const std::byte> bytes, std::string_view origin);

  ZipArchive(ZipArchive&&) noexcept;
  ~ZipArchive();

  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  /// The entry's bytes, inside those given to open(). Its checksum is not verified: that would read it all.
  /// Errors: not_found; unsupported (compressed or encrypted); corrupt (reaches past the end of the archive).
  Result<std::span<const std::byte>> stored(std::string_view name) const;

 private:
  struct Handle;
  ZipArchive(std::string origin, std::unique_ptr<Handle> handle);

  std::string origin_;
  std::unique_ptr<Handle> handle_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace adder::formats
