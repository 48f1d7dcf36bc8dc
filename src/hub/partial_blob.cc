#include "hub/partial_blob.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "hub/os_error.h"

namespace adder::hub {

namespace fs = std::filesystem;

fs::path partial_path(const fs::path& target) { return target.string() + ".incomplete"; }

PartialBlob::PartialBlob(fs::path target, FileMetadata expected, int fd)
    : target_(std::move(target)), partial_(partial_path(target_)), expected_(std::move(expected)), fd_(fd) {}

PartialBlob::PartialBlob(PartialBlob&& other) noexcept
    : target_(std::move(other.target_)),
      partial_(std::move(other.partial_)),
      expected_(std::move(other.expected_)),
      digest_(std::move(other.digest_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

PartialBlob::~PartialBlob() {
  if (fd_ >= 0) ::close(fd_);
}

Result<PartialBlob> PartialBlob::open(const fs::path& target, const FileMetadata& expected,
                                      const Supervision& watch) {
  ADDER_CHECK(make_directories(target.parent_path()));
  const fs::path path = partial_path(target);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return os_failure(path, "open", errno);
  PartialBlob out(target, expected, fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return os_failure(path, "look at", errno);
  const auto existing = static_cast<std::uint64_t>(status.st_size);
  // Without a checksum nothing would tell whether the old beginning belongs to the new end.
  const bool usable = existing <= expected.size && expected.checksum.kind != ChecksumKind::none;
  ADDER_CHECK(existing > 0 && usable ? out.read_existing(watch) : out.restart());
  return out;
}

Status PartialBlob::read_existing(const Supervision& watch) {
  ADDER_TRY(digest_, Digest::start(expected_.checksum.kind, expected_.size));
  std::vector<std::byte> buffer(1u << 20);
  while (true) {
    if (watch.stopped()) return stopped_failure();
    const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_failure(partial_, "read", errno);
    if (n == 0) return {};
    digest_.update(std::span(buffer).first(static_cast<std::size_t>(n)));
    size_ += static_cast<std::uint64_t>(n);
  }
}

Status PartialBlob::restart() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) return os_failure(partial_, "empty", errno);
  size_ = 0;
  ADDER_TRY(digest_, Digest::start(expected_.checksum.kind, expected_.size));
  return {};
}

Status PartialBlob::write(std::span<const std::byte> bytes) {
  if (bytes.size() > expected_.size - size_)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: the server sends more than the {} bytes that it announced",
                            partial_.string(), expected_.size));
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_failure(partial_, "write", errno);
    const auto done = bytes.first(static_cast<std::size_t>(n));
    digest_.update(done);
    size_ += done.size();
    bytes = bytes.subspan(done.size());
  }
  return {};
}

Status PartialBlob::commit() {
  const std::string found = digest_.finish();
  if (!complete() || found != expected_.checksum.hex) {
    const std::uint64_t size = size_;
    ADDER_CHECK(restart());
    return fail(
        ErrorCode::corrupt,
        fmt::format("{}: what arrived is not the file: expected {} bytes, checksum {}; found {} bytes, {}",
                    target_.string(), expected_.size, expected_.checksum.hex, size, found),
        "it was thrown away; try again, and if it stays so, a proxy or the hub changes the content");
  }
  if (::fsync(fd_) != 0) return os_failure(partial_, "sync", errno);
  if (::rename(partial_.c_str(), target_.c_str()) != 0) return os_failure(partial_, "rename", errno);
  return {};
}

}  // namespace adder::hub
