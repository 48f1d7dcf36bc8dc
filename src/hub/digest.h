#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "base/log.h"
#include "hub/supervision.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace adder::hub {

/// How a file's content can be checked.
enum class ChecksumKind {
  none,
  sha256,   ///< of the content: what the hub gives for large (LFS) files
  git_sha1  ///< git's name of the blob: SHA-1 of "blob SIZE\0" and the content; small files
};

struct Checksum {
  ChecksumKind kind = ChecksumKind::none;
  std::string hex;  ///< lower case
};

/// Computes one checksum piece by piece. Move-only; one thread at a time.
class Digest {
 public:
  /// `size` is the whole content's, in bytes; git's checksum begins with it. Error internal if OpenSSL lacks
  /// the algorithm (a restricted build).
  static Result<Digest> start(ChecksumKind kind, std::uint64_t size);

  void update(std::span<const std::byte> bytes);
  /// Lower-case hexadecimal; empty for none. No update may follow.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;  // null: nothing to compute
};

/// The checksum of a whole file, of this kind, with progress under `label`. Errors: as MappedFile::open,
/// Digest::start; cancelled.
Result<std::string> digest_of_file(const std::filesystem::path& path, ChecksumKind kind, Supervision watch,
                                   Progress& progress, std::string_view label);

/// What a file's names for itself allow: an etag of 64 hexadecimal digits is its sha256, one of 40 git's
/// blob hash.
Checksum checksum_of_etag(std::string_view etag);

}  // namespace adder::hub
