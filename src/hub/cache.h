#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "hub/environment.h"
#include "hub/model_id.h"

namespace adder::hub {

/// Where things of one repository lie in a cache, in the layout that all Hugging Face libraries share:
///   CACHE/models--ORG--NAME/blobs/HASH              contents
///                          /refs/REV                a commit hash
///                          /snapshots/COMMIT/FILE   relative symlinks to blobs
///                          /.no_exist/COMMIT/FILE   empty: the commit has no such file
///   CACHE/.locks/models--ORG--NAME/HASH.lock
class RepositoryCache {
 public:
  RepositoryCache(std::filesystem::path cache, const ModelId& id);

  const std::filesystem::path& cache() const { return cache_; }
  std::filesystem::path blob(std::string_view name) const { return folder_ / "blobs" / name; }
  std::filesystem::path ref(std::string_view revision) const { return folder_ / "refs" / revision; }
  std::filesystem::path snapshot(std::string_view commit) const { return folder_ / "snapshots" / commit; }
  std::filesystem::path lock(std::string_view name) const;
  /// Where huggingface_hub notes that a commit is known to have no such file.
  std::filesystem::path absent(std::string_view commit, std::string_view path) const {
    return folder_ / ".no_exist" / commit / path;
  }

  /// Makes snapshots/COMMIT/PATH a link to the blob, atomically, replacing what is there.
  Status link(std::string_view commit, const std::string& path, std::string_view name) const;
  /// Notes, atomically, which commit a branch or tag was at. Nothing to do for a commit's own hash.
  Status write_ref(std::string_view revision, std::string_view commit) const;
  /// Notes it there.
  Status write_absent(std::string_view commit, std::string_view path) const;
  /// The commit that `revision` was at when last pulled; itself if it is a commit. Error not_found.
  Result<std::string> commit_of(std::string_view revision) const;

 private:
  std::filesystem::path cache_;
  std::string name_;  // models--ORG--NAME
  std::filesystem::path folder_;
};

/// Where a model lies in the cache, without any network, for `-m ORG/NAME[@REV]`: the snapshot's folder, or,
/// if its only weights are one .gguf, that file. `@REV` is a branch or tag (as of the last pull) or a whole
/// commit hash. A file being there means that it is whole: blobs get their names when they have been
/// verified. Errors: invalid_argument (not such a name), not_found (not in the cache, or there without
/// weights; the hint says `adder pull`), failed_precondition (several .gguf, and nothing else: name one).
Result<std::filesystem::path> locate(std::string_view id, const Environment& environment);

/// The same for a snapshot's folder.
Result<std::filesystem::path> model_in(const std::filesystem::path& snapshot, const ModelId& id);

}  // namespace adder::hub
