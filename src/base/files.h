#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "adder/error.h"

// What every reader and writer of files needs: failures in the system's words, and opening without surprises.
namespace adder {

/// "path: cannot what: the reason behind errno `code`", as not_found, resource_exhausted or internal.
tl::unexpected<Error> system_failure(const std::filesystem::path& path, std::string_view what, int code);

/// What lies at `path`, links followed; file_type::not_found if nothing does. Error: the system does not tell
/// (a folder that may not be entered, a loop of links), which is not the same as nothing being there.
Result<std::filesystem::file_type> type_of(const std::filesystem::path& path);
/// "a directory", "a FIFO", ... for messages.
std::string_view name(std::filesystem::file_type type);

/// The folder that a file lies in: "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

/// An open file descriptor, closed with the object. Move-only.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Opens for reading what is a regular file, and only that: a FIFO would wait for a writer, and a device may
/// have no end. Errors: not_found, invalid_argument (not a regular file), the system's reason.
Result<Descriptor> open_regular(const std::filesystem::path& path);

/// A whole regular file, which may be one of /proc. Errors: those of open_regular; unsupported (more than
/// `max_bytes`).
Result<std::string> read_regular_file(const std::filesystem::path& path,
                                      std::uint64_t max_bytes = std::uint64_t{1} << 32);

/// Whether files can be made in `folder`, found without making one. Errors: not_found, invalid_argument (not
/// a folder), the system's reason.
Status check_folder_writable(const std::filesystem::path& folder);
/// The same for a folder that may have to be made first, with those above it.
Status check_folder_makeable(const std::filesystem::path& folder);

/// Whether a file that is renamed to `target` takes the place of the existing `file`, by its own name or as
/// what a link of that name points to.
bool would_replace(const std::filesystem::path& target, const std::filesystem::path& file);

/// Makes names given in `folder` durable. Some file systems refuse; what the files hold is safe anyway.
void sync_folder(const std::filesystem::path& folder);

}  // namespace adder
