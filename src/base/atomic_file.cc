#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>
#include <utility>

namespace adder {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> system_failure(const fs::path& path, const char* what, int code) {
  ErrorCode kind = ErrorCode::internal;
  if (code == ENOENT || code == ENOTDIR) kind = ErrorCode::not_found;
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) kind = ErrorCode::resource_exhausted;
  return fail(kind,
              fmt::format("{}: cannot {}: {}", path.string(), what, std::generic_category().message(code)));
}

fs::path directory_of(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

// Makes the rename itself durable. Some file systems refuse to sync a directory; the content is safe anyway.
void sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const fs::path& target) {
  std::error_code ignored;
  const fs::file_status status = fs::status(target, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: cannot write here: it exists and is not a regular file", target.string()));
  if (!target.has_filename())
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\": expected the name of a file", target.string()));
  std::random_device random;
  for (int attempt = 0; attempt < 16; ++attempt) {
    fs::path temporary =
        directory_of(target) / fmt::format(".{}.{:08x}.tmp", target.filename().string(), random());
    // O_EXCL instead of mkstemp: the mode must follow the user's umask, as for a file written directly.
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return AtomicFile(target, std::move(temporary), fd);
    if (errno != EEXIST) return system_failure(target, "create a temporary file beside it", errno);
  }
  return system_failure(target, "create a temporary file beside it", EEXIST);
}

AtomicFile::AtomicFile(fs::path target, fs::path temporary, int fd)
    : target_(std::move(target)), temporary_(std::move(temporary)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure(target_, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    written_ += static_cast<std::uint64_t>(n);
  }
  return {};
}

Status AtomicFile::write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

Status AtomicFile::commit() {
  if (fd_ < 0)
    return fail(ErrorCode::failed_precondition, target_.string() + ": already committed or moved from");
  if (::fsync(fd_) != 0) return system_failure(target_, "sync", errno);
  if (::close(std::exchange(fd_, -1)) != 0) return system_failure(target_, "close", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) return system_failure(target_, "rename", errno);
  temporary_.clear();
  sync_directory(directory_of(target_));
  return {};
}

Status write_atomically(const fs::path& target, const std::function<Status(AtomicFile&)>& body) {
  ADDER_TRY(AtomicFile file, AtomicFile::create(target));
  ADDER_CHECK(body(file));
  return file.commit();
}

}  // namespace adder
