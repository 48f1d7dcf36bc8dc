#include "base/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

namespace adder {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  ADDER_TRY(Descriptor file, open_regular(path));
  ADDER_TRY(const FileIdentity identity, identity_of(file.get(), path));
  const auto size = static_cast<std::size_t>(identity.size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) return system_failure(path, "map", errno);
  }
  MappedFile out(path, std::move(file), static_cast<const std::byte*>(data), size);
  out.identity_ = identity;
  return out;
}

MappedFile::MappedFile(std::filesystem::path path, Descriptor file, const std::byte* data, std::size_t size)
    : path_(std::move(path)), file_(std::move(file)), data_(data), size_(size) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      identity_(other.identity_),
      file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    file_ = std::move(other.file_);
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

Status MappedFile::check_unchanged() const {
  ADDER_TRY(const FileIdentity now, identity_of(file_.get(), path_));
  if (now.size == identity_.size && now.modified_ns == identity_.modified_ns) return {};
  return fail(
      ErrorCode::corrupt,
      fmt::format("{}: changed while it was being used ({} bytes before, {} now), so that results may "
                  "be wrong",
                  path_.string(), identity_.size, now.size),
      "run again; to replace a file that may be in use, write another and rename it");
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
