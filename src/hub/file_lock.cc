#include "hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "hub/os_error.h"

namespace adder::hub {

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const Supervision& watch,
                                   const std::function<void()>& on_wait) {
  ADDER_CHECK(make_directories(path.parent_path()));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return os_failure(path, "open this lock", errno);
  FileLock lock(fd);
  bool told = false;
  // Polled, because a blocking flock could not be told to stop.
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return os_failure(path, "lock", errno);
    if (!std::exchange(told, true)) on_wait();
    if (!watch.sleep(std::chrono::milliseconds(100))) return stopped_failure();
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);  // which unlocks
}

}  // namespace adder::hub
