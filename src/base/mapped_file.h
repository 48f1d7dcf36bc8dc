#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "adder/error.h"
#include "base/file_identity.h"
#include "base/files.h"

namespace adder {

/// What the caller will do with a range of a mapped file; a hint to the kernel, never needed for correctness.
enum class Advice {
  sequential,  ///< will be read once, front to back: read ahead
  dont_need,   ///< done with it: drop its pages from this process (a later read faults them in again)
};

/// A whole file mapped read-only into memory. Move-only; unmaps on destruction.
/// The bytes stay valid, at the same address, while the object that came out of open() or a move of it lives.
/// Reading is safe from any thread. If another process truncates the file meanwhile, reads past its new end
/// raise SIGBUS, which a program may handle (cli/last_words.h); if one writes over it, the bytes change,
/// which check_unchanged() tells. Replacing a file by renaming another is harmless.
class MappedFile {
 public:
  /// Errors: those of open_regular.
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

  /// Whether the mapped file, by whatever name it goes now, has the size and the time of modification that it
  /// had when it was opened. Error: corrupt if not.
  Status check_unchanged() const;

  /// Passes a hint for `range`, which must lie inside bytes(); other ranges are ignored. Widened to whole
  /// pages for sequential and narrowed to whole pages for dont_need, so that neighbours keep theirs.
  void advise(std::span<const std::byte> range, Advice advice) const;

 private:
  MappedFile(std::filesystem::path path, Descriptor file, const std::byte* data, std::size_t size);
  void unmap() noexcept;

  std::filesystem::path path_;
  FileIdentity identity_;
  Descriptor file_;  // kept, so that what is looked at later is the file that is mapped
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace adder
