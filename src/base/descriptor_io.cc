#include "base/descriptor_io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"

namespace adder {

Result<std::string> read_to_end(int fd, const std::filesystem::path& name, std::uint64_t max_bytes) {
  std::string out;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure(name, "read", errno);
    if (n == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(n));
    if (out.size() > max_bytes)
      return fail(ErrorCode::unsupported,
                  fmt::format("{}: larger than {} bytes, the most expected here", name.string(), max_bytes));
  }
}

int write_fully(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;  // it would take nothing for ever
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace adder
