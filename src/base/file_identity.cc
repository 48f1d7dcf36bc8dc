#include "base/file_identity.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/files.h"

namespace adder {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000, kTick = 2 * kSecond;

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

FileIdentity from(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
          static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

}  // namespace

bool FileIdentity::is_settled(std::int64_t now_ns) const {
  return std::max(modified_ns, changed_ns) < now_ns - kTick;
}

Result<FileIdentity> identity_of(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_failure(path, "stat", errno);
  return from(status);
}

Result<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_failure(path, "stat", errno);
  return from(status);
}

}  // namespace adder
