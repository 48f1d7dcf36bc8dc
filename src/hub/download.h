#pragma once

#include <cstdint>
#include <string>

#include "adder/error.h"
#include "base/log.h"
#include "hub/cache.h"
#include "hub/remote.h"

namespace adder::hub {

/// Reports a file's bytes to a progress bar that can only go forward: what is fetched a second time, because
/// the server could not resume, is not counted again. One per file.
class Meter {
 public:
  explicit Meter(ProgressScope& progress) : progress_(progress) {}
  /// So much of the file is there now. Returns whether that is more than ever before.
  bool reach(std::uint64_t bytes);
  std::uint64_t best() const { return best_; }

 private:
  ProgressScope& progress_;
  std::uint64_t best_ = 0;
};

/// Brings one file's blob into the cache under its final name, verified; what an earlier try left is used.
/// Holds the blob's lock meanwhile, and finds the work done if another process did it in that time. A server
/// that ignores Range makes it start over; content that proves wrong is thrown away, and fetched anew only if
/// an old beginning may be to blame. If-Range is not sent: behind a redirect stands a storage host whose ETag
/// is another one. The commit in the URL and the checksum bind the two parts together instead. Returns the
/// bytes that came over the network.
Result<std::uint64_t> fetch_blob(Remote& remote, const RepositoryCache& cache, const std::string& commit,
                                 const std::string& path, const FileMetadata& metadata, Meter& meter);

/// Whether the blob is there, whole.
bool has_blob(const RepositoryCache& cache, const FileMetadata& metadata);

}  // namespace adder::hub
