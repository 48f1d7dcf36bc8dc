#include "checkpoint/staged_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <system_error>

namespace adder::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = "partial", kInside = "adder";

/// The same place without links, dots and a slash at the end. Precondition: it exists.
Result<fs::path> resolved(const fs::path& path) {
  std::error_code code;
  fs::path out = fs::canonical(path, code);
  if (code) return system_failure(path, "resolve it", code.value());
  return out;
}

Status check_empty(const fs::path& folder) {
  std::error_code code;
  const bool empty = fs::is_empty(folder, code);
  if (code) return system_failure(folder, "read it", code.value());
  if (empty) return {};
  return fail(ErrorCode::invalid_argument, folder.string() + ": exists and is not empty",
              "name a new directory, or remove this one first");
}

/// Makes `folder` and what is missing above it; says what it made, the deepest last.
Status make_parents(const fs::path& folder, std::vector<fs::path>& made) {
  ADDER_TRY(const fs::file_type type, type_of(folder));
  if (type != fs::file_type::not_found) return {};
  if (folder != folder_of(folder)) ADDER_CHECK(make_parents(folder_of(folder), made));
  std::error_code code;
  if (fs::create_directory(folder, code)) made.push_back(folder);
  if (code) return system_failure(folder, "make it", code.value());
  return {};
}

void remove_made(const std::vector<fs::path>& made) {
  std::error_code ignored;
  for (std::size_t i = made.size(); i-- > 0;) fs::remove(made[i], ignored);
}

/// The target resolved, with the folder to stage in made, where there is no such target yet.
Result<fs::path> new_target(const fs::path& target, std::vector<fs::path>& made) {
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(target, ignored)))
    return fail(ErrorCode::invalid_argument, target.string() + ": a link to something that is not there",
                "name the directory itself, or make what the link points to");
  if (target.filename() == "." || target.filename() == "..")
    return fail(ErrorCode::not_found, target.string() + ": no such directory");
  ADDER_CHECK(make_parents(folder_of(target), made));
  ADDER_TRY(const fs::path parent, resolved(folder_of(target)));
  return parent / target.filename();
}

}  // namespace

Result<StagedDirectory> StagedDirectory::create(const fs::path& given) {
  const fs::path named = given.has_filename() ? given : given.parent_path();  // "out/" is out
  if (named.empty()) return fail(ErrorCode::invalid_argument, "expected the name of a directory");
  ADDER_TRY(const fs::file_type type, type_of(named));
  std::vector<fs::path> made;
  const auto staged = [&]() -> Result<StagedDirectory> {
    if (type == fs::file_type::not_found) {
      ADDER_TRY(const fs::path target, new_target(named, made));
      sweep_leftovers(target.parent_path(), target.filename().string(), kSuffix);
      ADDER_TRY(Unfinished beside,
                make_unfinished_folder(target.parent_path(), target.filename().string(), kSuffix));
      return StagedDirectory(target, made, std::move(beside));
    }
    if (type != fs::file_type::directory)
      return fail(ErrorCode::invalid_argument, named.string() + ": exists and is not a directory");
    ADDER_TRY(const fs::path target, resolved(named));
    sweep_leftovers(target, kInside, kSuffix);
    ADDER_CHECK(check_empty(named));
    ADDER_TRY(Unfinished inside, make_unfinished_folder(target, kInside, kSuffix));
    return StagedDirectory(target, {}, std::move(inside));
  };
  auto out = staged();
  if (!out) remove_made(made);
  return out;
}

StagedDirectory::StagedDirectory(fs::path target, std::vector<fs::path> made, Unfinished staging)
    : target_(std::move(target)), made_(std::move(made)), staging_(std::move(staging)) {}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)),
      made_(std::exchange(other.made_, {})),
      staging_{std::exchange(other.staging_.path, fs::path()), std::move(other.staging_.lock)} {}

StagedDirectory::~StagedDirectory() {
  std::error_code ignored;
  if (!staging_.path.empty()) fs::remove_all(staging_.path, ignored);
  remove_made(made_);
}

Status StagedDirectory::move_out() {
  std::error_code code;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(staging_.path, code), end; !code && at != end; at.increment(code))
    files.push_back(at->path().filename());
  std::stable_partition(files.begin(), files.end(), [](const fs::path& f) { return f != "config.json"; });
  for (std::size_t i = 0; i < files.size() && !code; ++i) {
    fs::rename(staging_.path / files[i], target_ / files[i], code);
    if (!code) continue;
    std::error_code ignored;
    for (std::size_t moved = 0; moved < i; ++moved) fs::remove_all(target_ / files[moved], ignored);
  }
  if (!code) fs::remove(staging_.path, code);
  if (code) return system_failure(target_, "move the files there", code.value());
  return {};
}

Status StagedDirectory::commit() {
  if (inside()) {
    std::error_code code;
    for (fs::directory_iterator at(target_, code), end; !code && at != end; at.increment(code))
      if (at->path() != staging_.path)
        return fail(
            ErrorCode::failed_precondition,
            fmt::format("{}: {} appeared there meanwhile", target_.string(), at->path().filename().string()));
    if (code) return system_failure(target_, "list it", code.value());
    ADDER_CHECK(move_out());
    sync_folder(target_);
  } else {
    std::error_code code;
    fs::rename(staging_.path, target_, code);
    if (code)
      return system_failure(target_, fmt::format("rename {} to it", staging_.path.filename().string()),
                            code.value());
    sync_folder(target_.parent_path());
  }
  staging_.path.clear();
  made_.clear();
  return {};
}

}  // namespace adder::checkpoint
