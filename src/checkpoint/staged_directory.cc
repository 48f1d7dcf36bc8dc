#include "checkpoint/staged_directory.h"

#include <fmt/format.h>

#include <random>
#include <system_error>
#include <utility>

namespace adder::checkpoint {

namespace fs = std::filesystem;

Result<StagedDirectory> StagedDirectory::create(const fs::path& given) {
  const fs::path target = given.has_filename() ? given : given.parent_path();  // "out/" is out
  std::error_code code;
  if (target.empty()) return fail(ErrorCode::invalid_argument, "expected the name of a directory");
  const fs::file_status status = fs::status(target, code);
  if (fs::exists(status) && !fs::is_directory(status))
    return fail(ErrorCode::invalid_argument, target.string() + ": exists and is not a directory");
  if (fs::exists(status) && !fs::is_empty(target, code))
    return fail(ErrorCode::invalid_argument, target.string() + ": exists and is not empty",
                "name a new directory, or remove this one first");
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  fs::create_directories(parent, code);
  std::random_device random;
  fs::path staging;
  for (bool made = false; !made && !code;) {
    staging = parent / fmt::format(".{}.{:08x}.partial", target.filename().string(), random());
    made = fs::create_directory(staging, code);
  }
  if (code)
    return fail(ErrorCode::internal,
                fmt::format("{}: cannot make a directory there: {}", parent.string(), code.message()));
  return StagedDirectory(target, std::move(staging));
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)), staging_(std::exchange(other.staging_, fs::path())) {}

StagedDirectory::~StagedDirectory() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
}

Status StagedDirectory::commit() {
  std::error_code code;
  fs::rename(staging_, target_, code);  // replaces an empty directory
  if (code)
    return fail(ErrorCode::internal, fmt::format("{}: cannot rename {} to it: {}", target_.string(),
                                                 staging_.filename().string(), code.message()));
  staging_.clear();
  return {};
}

}  // namespace adder::checkpoint
