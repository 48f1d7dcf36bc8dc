#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "adder/error.h"
#include "base/file_identity.h"

namespace adder {

/// What the caller will do with a range of a mapped file; a hint to the kernel, never needed for correctness.
enum class Advice {
  sequential,  ///< will be read once, front to back: read ahead
  dont_need,   ///< done with it: drop its pages from this process (a later read faults them in again)
};

/// A whole file mapped read-only into memory. Move-only; unmaps on destruction.
/// The bytes stay valid, at the same address, while the object that came out of open() or a move of it lives.
/// Reading is safe from any thread. If another process truncates the file meanwhile, reads past its new end
/// raise SIGBUS; replace checkpoints by renaming, not by writing over them.
class MappedFile {
 public:
  /// Errors: not_found (no such file), invalid_argument (not a regular file), internal (the system's reason).
  /// An empty file maps to an empty span.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Which file it is, as it was when it was opened.
  const FileIdentity& identity() const { return identity_; }

  /// Passes a hint for `range`, which must lie inside bytes(); other ranges are ignored. Widened to whole
  /// pages for sequential and narrowed to whole pages for dont_need, so that neighbours keep theirs.
  void advise(std::span<const std::byte> range, Advice advice) const;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size);
  void unmap() noexcept;

  std::filesystem::path path_;
  FileIdentity identity_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace adder
