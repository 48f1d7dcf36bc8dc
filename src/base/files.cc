#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/descriptor_io.h"

namespace adder {

namespace fs = std::filesystem;

namespace {

ErrorCode kind_of(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorCode::resource_exhausted;
    default:
      return ErrorCode::internal;
  }
}

tl::unexpected<Error> not_regular(const fs::path& path, fs::file_type type) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: expected a regular file, found {}", path.string(), name(type)));
}

}  // namespace

tl::unexpected<Error> system_failure(const fs::path& path, std::string_view what, int code) {
  return fail(kind_of(code),
              fmt::format("{}: cannot {}: {}", path.string(), what, std::generic_category().message(code)));
}

Result<fs::file_type> type_of(const fs::path& path) {
  std::error_code code;
  const fs::file_type type = fs::status(path, code).type();
  if (type == fs::file_type::none) return system_failure(path, "look at it", code.value());
  return type;
}

std::string_view name(fs::file_type type) {
  switch (type) {
    case fs::file_type::regular:
      return "a regular file";
    case fs::file_type::directory:
      return "a directory";
    case fs::file_type::fifo:
      return "a FIFO";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::block:
    case fs::file_type::character:
      return "a device";
    case fs::file_type::not_found:
      return "nothing";
    default:
      return "something else";
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Descriptor> open_regular(const fs::path& path) {
  // Looked at first, because opening some devices does something; and again, because it may have changed.
  ADDER_TRY(const fs::file_type type, type_of(path));
  if (type == fs::file_type::not_found) return system_failure(path, "open", ENOENT);
  if (type != fs::file_type::regular) return not_regular(path, type);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_failure(path, "open", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_failure(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return not_regular(path, fs::file_type::unknown);
  return file;
}

Result<std::string> read_regular_file(const fs::path& path, std::uint64_t max_bytes) {
  ADDER_TRY(const Descriptor file, open_regular(path));
  return read_to_end(file.get(), path, max_bytes);
}

Status check_folder_writable(const fs::path& folder) {
  ADDER_TRY(const fs::file_type type, type_of(folder));
  if (type == fs::file_type::not_found)
    return fail(ErrorCode::not_found, fmt::format("{}: no such folder", folder.string()));
  if (type != fs::file_type::directory)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: expected a folder, found {}", folder.string(), name(type)));
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return system_failure(folder, "write there", errno);
  return {};
}

Status check_folder_makeable(const fs::path& folder) {
  fs::path at = folder.has_filename() ? folder : folder.parent_path();
  while (true) {
    ADDER_TRY(const fs::file_type type, type_of(at));
    if (type != fs::file_type::not_found || at == folder_of(at)) return check_folder_writable(at);
    at = folder_of(at);
  }
}

bool would_replace(const fs::path& target, const fs::path& file) {
  const auto place = [](const fs::path& path) {
    std::error_code ignored;
    return fs::weakly_canonical(folder_of(path), ignored) / path.filename();
  };
  std::error_code ignored;
  return place(target) == place(file) || place(target) == fs::weakly_canonical(file, ignored);
}

void sync_folder(const fs::path& folder) {
  const Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (open.get() >= 0) ::fsync(open.get());
}

}  // namespace adder
