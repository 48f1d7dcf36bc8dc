#include "hub/file_lock.h"

#include <chrono>
#include <utility>

#include "hub/os_error.h"

namespace adder::hub {

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const Supervision& watch,
                                   const std::function<void()>& on_wait) {
  ADDER_CHECK(make_directories(path.parent_path()));
  bool told = false;
  while (true) {  // polled, because a blocking flock could not be told to stop
    ADDER_TRY(std::optional<adder::FileLock> held, adder::FileLock::try_acquire(path));
    if (held) return FileLock(*std::move(held));
    if (!std::exchange(told, true)) on_wait();
    if (!watch.sleep(std::chrono::milliseconds(100))) return stopped_failure();
  }
}

}  // namespace adder::hub
