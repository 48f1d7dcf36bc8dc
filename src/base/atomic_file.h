#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

#include "adder/error.h"
#include "base/files.h"

namespace adder {

/// Writes a file so that its name holds either the old content or the whole new one, even across a crash:
/// bytes go to a temporary file beside the target, which commit() syncs and renames over it.
/// Destroying it without a successful commit() removes the temporary file and leaves the target untouched;
/// what a killed process left is removed by the next create() of the same target. Move-only; one thread at a
/// time. Writes are not buffered: hand over large pieces.
class AtomicFile {
 public:
  /// What create() would complain about, found by making an empty temporary file beside
  /// it, and removing it: for use before long work.
  static Status check(const std::filesystem::path& target);
  /// Errors: not_found (the directory does not exist), invalid_argument (the target exists and is not a
  /// regular file), internal (the system's reason).
  static Result<AtomicFile> create(const std::filesystem::path& target);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) = delete;
  ~AtomicFile();

  /// Appends; an error (disk full: resource_exhausted) leaves only destruction to be done.
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  std::uint64_t written() const { return written_; }

  /// Makes the content durable and gives it its name. No write may follow.
  Status commit();

 private:
  AtomicFile(std::filesystem::path target, std::filesystem::path temporary, Descriptor file);

  std::filesystem::path target_, temporary_;
  Descriptor file_;  // none: moved from or committed
  std::uint64_t written_ = 0;
};

/// Creates, lets `body` write, commits. If `body` returns an error the target is untouched and the error is
/// passed on.
Status write_atomically(const std::filesystem::path& target, const std::function<Status(AtomicFile&)>& body);

}  // namespace adder
