#include "hub/cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "hub/os_error.h"
#include "hub/select.h"

namespace adder::hub {
namespace {

namespace fs = std::filesystem;

std::string pull_hint(const ModelId& id) {
  return fmt::format("fetch it with `adder pull {}`", to_string(id));
}

/// symlink(2) under another name, then rename: a name is never without its file.
Status replace_link(const fs::path& link, const fs::path& target) {
  std::random_device random;
  for (int attempt = 0; attempt < 16; ++attempt) {
    const fs::path temporary =
        link.parent_path() / fmt::format(".{}.{:08x}.tmp", link.filename().string(), random());
    if (::symlink(target.c_str(), temporary.c_str()) != 0) {
      if (errno == EEXIST) continue;
      return os_failure(link, "make this symbolic link", errno);
    }
    if (::rename(temporary.c_str(), link.c_str()) == 0) return {};
    const int code = errno;
    ::unlink(temporary.c_str());
    return os_failure(link, "rename a symbolic link to this", code);
  }
  return os_failure(link, "make this symbolic link", EEXIST);
}

}  // namespace

RepositoryCache::RepositoryCache(fs::path cache, const ModelId& id)
    : cache_(std::move(cache)),
      name_(fmt::format("models--{}--{}", id.organisation, id.name)),
      folder_(cache_ / name_) {}

fs::path RepositoryCache::lock(std::string_view name) const {
  return cache_ / ".locks" / name_ / (std::string(name) + ".lock");
}

Status RepositoryCache::link(std::string_view commit, const std::string& path, std::string_view name) const {
  const fs::path file = snapshot(commit) / path;
  const fs::path target = blob(name).lexically_relative(file.parent_path());
  std::error_code error;
  if (fs::read_symlink(file, error) == target && !error) return {};
  ADDER_CHECK(make_directories(file.parent_path()));
  return replace_link(file, target);
}

Status RepositoryCache::write_ref(std::string_view revision, std::string_view commit) const {
  if (revision == commit) return {};
  const fs::path file = ref(revision);
  ADDER_CHECK(make_directories(file.parent_path()));
  return write_atomically(file, [&](AtomicFile& out) { return out.write(commit); });
}

Status RepositoryCache::write_absent(std::string_view commit, std::string_view path) const {
  const fs::path file = absent(commit, path);
  std::error_code error;
  if (fs::exists(file, error)) return {};
  ADDER_CHECK(make_directories(file.parent_path()));
  return write_atomically(file, [](AtomicFile&) { return Status(); });
}

Result<std::string> RepositoryCache::commit_of(std::string_view revision) const {
  if (is_commit(revision)) return std::string(revision);
  Result<std::string> read = read_regular_file(ref(revision), 4096);
  if (!read && read.error().code != ErrorCode::not_found) return fail(std::move(read).error());
  std::string commit = std::move(read).value_or("");
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
  if (is_commit(commit)) return commit;
  if (commit.empty()) return fail(ErrorCode::not_found, ref(revision).string() + ": not there");
  return fail(ErrorCode::not_found,
              fmt::format("{}: expected a commit hash, found {}", ref(revision).string(), in_quotes(commit)));
}

Result<fs::path> model_in(const fs::path& snapshot, const ModelId& id) {
  std::error_code error;
  std::vector<fs::path> gguf;
  bool others = false;
  for (auto at = fs::recursive_directory_iterator(snapshot, error); !error && at != end(at);
       at.increment(error)) {
    const fs::path& file = at->path();
    std::error_code broken;
    if (!is_weights_name(file.filename().string()) || !at->is_regular_file(broken)) continue;
    if (file.extension() == ".gguf")
      gguf.push_back(file);
    else
      others = others || at.depth() == 0;
  }
  if (others) return snapshot;
  if (gguf.size() == 1) return gguf.front();
  if (gguf.size() > 1)
    return fail(ErrorCode::failed_precondition,
                fmt::format("{}: there are {} .gguf files", snapshot.string(), gguf.size()),
                fmt::format("name one, for example -m {}", gguf.front().string()));
  return fail(ErrorCode::not_found, fmt::format("{}: no weights in the cache", snapshot.string()),
              pull_hint(id));
}

Result<fs::path> locate(std::string_view text, const Environment& environment) {
  ADDER_TRY(const ModelId id, parse_model_id(text));
  ADDER_TRY(const fs::path cache, cache_directory(environment));
  const RepositoryCache repository(cache, id);
  const Result<std::string> commit = repository.commit_of(id.revision);
  if (!commit && commit.error().code != ErrorCode::not_found) return fail(commit.error());
  if (!commit)
    return fail(ErrorCode::not_found,
                fmt::format("{} is not in the cache ({})", to_string(id), commit.error().message),
                pull_hint(id));
  std::error_code error;
  const fs::path snapshot = repository.snapshot(*commit);
  if (!fs::is_directory(snapshot, error))
    return fail(ErrorCode::not_found,
                fmt::format("{} is not in the cache: there is no {}", to_string(id), snapshot.string()),
                pull_hint(id));
  return model_in(snapshot, id);
}

}  // namespace adder::hub
