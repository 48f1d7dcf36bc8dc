#include "base/atomic_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/descriptor_io.h"
#include "base/leftovers.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = "tmp";

Status check_target(const fs::path& target) {
  ADDER_TRY(const fs::file_type type, type_of(target));
  if (type != fs::file_type::not_found && type != fs::file_type::regular)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: cannot write here: expected a regular file or nothing, found {}",
                            target.string(), name(type)));
  if (!target.has_filename())
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\": expected the name of a file", target.string()));
  return {};
}

}  // namespace

Status AtomicFile::check(const fs::path& target) {
  ADDER_CHECK(check_target(target));
  if (Status folder = check_folder_writable(folder_of(target)); !folder) {
    Error error = std::move(folder).error();
    error.message = fmt::format("{}: {}", target.string(), error.message);
    return fail(std::move(error));
  }
  // A folder may say that it can be written and not be (/proc, a full disk): only making a file tells.
  auto made = make_unfinished_file(folder_of(target), target.filename().string(), kSuffix);
  if (!made) return fail(made.error().code, fmt::format("{}: {}", target.string(), made.error().message));
  std::error_code ignored;
  fs::remove(made->path, ignored);
  return {};
}

Result<AtomicFile> AtomicFile::create(const fs::path& target) {
  ADDER_CHECK(check_target(target));
  const std::string own = target.filename().string();
  sweep_leftovers(folder_of(target), own, kSuffix);
  auto made = make_unfinished_file(folder_of(target), own, kSuffix);
  if (!made) {
    made.error().message = fmt::format("{}: {}", target.string(), made.error().message);
    return fail(std::move(made).error());
  }
  return AtomicFile(target, std::move(made->path), std::move(made->lock));
}

AtomicFile::AtomicFile(fs::path target, fs::path temporary, Descriptor file)
    : target_(std::move(target)), temporary_(std::move(temporary)), file_(std::move(file)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  return write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Status AtomicFile::write(std::string_view text) {
  if (const int code = write_fully(file_.get(), text); code != 0)
    return system_failure(target_, "write", code);
  written_ += text.size();
  return {};
}

Status AtomicFile::commit() {
  if (file_.get() < 0)
    return fail(ErrorCode::failed_precondition, target_.string() + ": already committed or moved from");
  if (::fsync(file_.get()) != 0) return system_failure(target_, "sync", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) return system_failure(target_, "rename", errno);
  temporary_.clear();
  file_ = Descriptor();  // only now, since its lock keeps the name from sweepers; fsync has told all
  sync_folder(folder_of(target_));
  return {};
}

Status write_atomically(const fs::path& target, const std::function<Status(AtomicFile&)>& body) {
  ADDER_TRY(AtomicFile file, AtomicFile::create(target));
  ADDER_CHECK(body(file));
  return file.commit();
}

}  // namespace adder
