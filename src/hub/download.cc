#include "hub/download.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "hub/file_lock.h"
#include "hub/partial_blob.h"

namespace adder::hub {
namespace {

constexpr std::uint64_t kProgress = 1u << 20;  // fewer new bytes do not count as progress

/// Puts an answer's content behind what is there.
class BlobSink final : public BodySink {
 public:
  BlobSink(PartialBlob& blob, std::uint64_t expected_size, Meter& meter)
      : blob_(blob), expected_size_(expected_size), meter_(meter) {}

  Status begin(const HttpResponse& head) override {
    if (head.status == 206) {
      const std::string range =
          fmt::format("bytes {}-{}/{}", blob_.size(), expected_size_ - 1, expected_size_);
      if (head.header("content-range") == range) return {};
      wrong_range_ = true;
      return fail(ErrorCode::corrupt, fmt::format("expected the range \"{}\", the server sends \"{}\"", range,
                                                  head.header("content-range")));
    }
    if (head.status == 200) return blob_.size() > 0 ? blob_.restart() : Status();
    return fail(ErrorCode::corrupt, fmt::format("the server answers {} to a download", head.status));
  }

  Status write(std::span<const std::byte> bytes) override {
    ADDER_CHECK(blob_.write(bytes));
    received_ += bytes.size();
    meter_.reach(blob_.size());
    return {};
  }

  bool wrong_range() const { return wrong_range_; }
  std::uint64_t received() const { return received_; }

 private:
  PartialBlob& blob_;
  std::uint64_t expected_size_;
  Meter& meter_;
  bool wrong_range_ = false;
  std::uint64_t received_ = 0;
};

struct Download {
  Remote& remote;
  HttpRequest request;
  const FileMetadata& metadata;
  PartialBlob& blob;
  Meter& meter;
  std::uint64_t received = 0;

  /// One request for what is missing.
  Attempt<void> attempt() {
    const std::uint64_t best = meter.best();
    request.first_byte = blob.size();
    BlobSink sink(blob, metadata.size, meter);
    const Attempt<HttpResponse> response = remote.attempt(request, &sink);
    received += sink.received();
    if (response && blob.complete()) return {};
    Failure failure;
    if (response) {  // a connection that was closed early, with no length announced
      failure.error = {
          ErrorCode::internal,
          fmt::format("{}: the server sent {} of {} bytes", request.url, blob.size(), metadata.size), ""};
      failure.transient = true;
    } else {
      failure = response.error();
    }
    failure.progressed = meter.best() - best >= kProgress;
    if (request.first_byte > 0 && (failure.status == 416 || sink.wrong_range())) {
      if (Status emptied = blob.restart(); !emptied)
        return tl::unexpected<Failure>(Failure{std::move(emptied).error()});
      failure.transient = true;
    }
    return tl::unexpected<Failure>(std::move(failure));
  }

  /// Everything that is missing.
  Status finish() {
    if (blob.complete()) return {};
    return with_retries<void>(remote.policy(), remote.watch(), [&] { return attempt(); });
  }
};

}  // namespace

bool Meter::reach(std::uint64_t bytes) {
  if (bytes <= best_) return false;
  progress_.advance(bytes - std::exchange(best_, bytes));
  return true;
}

bool has_blob(const RepositoryCache& cache, const FileMetadata& metadata) {
  std::error_code error;
  const auto file = cache.blob(metadata.blob);
  return std::filesystem::is_regular_file(file, error) &&
         std::filesystem::file_size(file, error) == metadata.size && !error;
}

Result<std::uint64_t> fetch_blob(Remote& remote, const RepositoryCache& cache, const std::string& commit,
                                 const std::string& path, const FileMetadata& metadata, Meter& meter) {
  const std::filesystem::path lock_path = cache.lock(metadata.blob);
  ADDER_TRY(const FileLock lock, FileLock::acquire(lock_path, remote.watch(), [&] {
              log(remote.watch().log, LogLevel::warn, "waiting for another download of {} (lock {})", path,
                  lock_path.string());
            }));
  if (has_blob(cache, metadata)) {
    meter.reach(metadata.size);
    return 0;
  }
  ADDER_TRY(PartialBlob blob, PartialBlob::open(cache.blob(metadata.blob), metadata, remote.watch()));
  const bool resumed = blob.size() > 0;
  if (resumed)
    log(remote.watch().log, LogLevel::info, "{}: {} of {} bytes are there already", path, blob.size(),
        metadata.size);
  meter.reach(blob.size());
  Download download{remote, remote.content_request(commit, path), metadata, blob, meter};
  ADDER_CHECK(download.finish());
  Status committed = blob.commit();
  if (!committed && committed.error().code == ErrorCode::corrupt && resumed) {
    log(remote.watch().log, LogLevel::warn, "{}; fetching {} anew", committed.error().message, path);
    ADDER_CHECK(download.finish());
    committed = blob.commit();
  }
  if (!committed) return fail(std::move(committed).error());
  meter.reach(metadata.size);
  return download.received;
}

}  // namespace adder::hub
