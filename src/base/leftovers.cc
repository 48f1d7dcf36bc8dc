#include "base/leftovers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace adder {

namespace fs = std::filesystem;

namespace {

constexpr int kAttempts = 16;
constexpr std::size_t kDigits = 8;

bool is_ours(const std::string& file, const std::string& before, const std::string& after) {
  if (file.size() != before.size() + kDigits + after.size()) return false;
  if (!file.starts_with(before) || !file.ends_with(after)) return false;
  const auto middle = std::string_view(file).substr(before.size(), kDigits);
  return std::all_of(middle.begin(), middle.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Takes the lock. False if a sweeper was quicker: then `path` is gone, or about to be.
bool hold(int fd, const fs::path& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat opened {
  }, named{};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

/// `make` gives a descriptor on what it made under that name, or -1 with errno.
Result<Unfinished> make_unfinished(const fs::path& folder, std::string_view wanted, std::string_view suffix,
                                   std::string_view what, const std::function<int(const fs::path&)>& make) {
  std::random_device random;
  int reason = EEXIST;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fs::path path = folder / fmt::format(".{}.{:08x}.{}", wanted, random(), suffix);
    Descriptor lock(make(path));
    if (lock.get() >= 0 && hold(lock.get(), path)) return Unfinished{std::move(path), std::move(lock)};
    if (lock.get() >= 0) continue;
    reason = errno;
    if (reason != EEXIST && reason != ENOENT) break;  // those two a sweeper may have caused
  }
  return system_failure(folder, what, reason);
}

}  // namespace

Result<Unfinished> make_unfinished_file(const fs::path& folder, std::string_view wanted,
                                        std::string_view suffix) {
  // O_EXCL instead of mkstemp: the mode must follow the user's umask, as for a file written directly.
  return make_unfinished(folder, wanted, suffix, "create a file there", [](const fs::path& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  });
}

Result<Unfinished> make_unfinished_folder(const fs::path& folder, std::string_view wanted,
                                          std::string_view suffix) {
  return make_unfinished(folder, wanted, suffix, "make a directory there", [](const fs::path& path) {
    if (::mkdir(path.c_str(), 0777) != 0) return -1;
    const int folder_fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
      const int why = errno;
      ::rmdir(path.c_str());
      errno = why;
    }
    return folder_fd;
  });
}

void sweep_leftovers(const fs::path& folder, std::string_view wanted, std::string_view suffix) {
  const std::string before = fmt::format(".{}.", wanted), after = fmt::format(".{}", suffix);
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end; at.increment(ignored))
    if (is_ours(at->path().filename().string(), before, after)) found.push_back(at->path());
  for (const fs::path& path : found) {
    const Descriptor open(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (open.get() >= 0 && ::flock(open.get(), LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  }
}

}  // namespace adder
