#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <system_error>
#include <utility>

namespace adder {
namespace {

tl::unexpected<Error> system_failure(const std::filesystem::path& path, const char* what, int code) {
  const ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::not_found : ErrorCode::internal;
  return fail(kind,
              fmt::format("{}: cannot {}: {}", path.string(), what, std::generic_category().message(code)));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO must report its kind below, not wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return system_failure(path, "open", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return system_failure(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: expected a regular file, found {}", path.string(),
                            S_ISDIR(info.st_mode) ? "a directory" : "something else"));
  ADDER_TRY(const FileIdentity identity, identity_of(file.fd, path));
  const auto size = static_cast<std::size_t>(identity.size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (data == MAP_FAILED) return system_failure(path, "map", errno);
  }
  MappedFile out(path, static_cast<const std::byte*>(data), size);
  out.identity_ = identity;
  return out;
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      identity_(other.identity_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    identity_ = other.identity_;
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::unmap() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::advise(std::span<const std::byte> range, Advice advice) const {
  const std::less_equal<const std::byte*> not_after;
  if (range.empty() || !not_after(data_, range.data()) ||
      !not_after(range.data() + range.size(), data_ + size_))
    return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  auto end = begin + range.size();
  if (advice == Advice::dont_need) {
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
  } else {
    begin = begin / page * page;
  }
  if (begin >= end) return;
  // A refused hint changes nothing but speed, so its result is not looked at.
  ::madvise(reinterpret_cast<void*>(begin), end - begin,
            advice == Advice::dont_need ? MADV_DONTNEED : MADV_SEQUENTIAL);
}

}  // namespace adder
