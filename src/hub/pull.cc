#include "hub/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "hub/cache.h"
#include "hub/download.h"
#include "hub/os_error.h"
#include "hub/partial_blob.h"
#include "hub/remote.h"
#include "hub/select.h"

namespace adder::hub {
namespace {

namespace fs = std::filesystem;

/// One file to have in the snapshot.
struct Item {
  std::string path;
  std::uint64_t size = 0;
  std::optional<FileMetadata> metadata;  ///< nullopt: it is in the snapshot already
};

/// The size of what the snapshot has under this name, following links.
std::optional<std::uint64_t> size_in_snapshot(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  const std::uint64_t size = fs::file_size(file, error);
  return error ? std::nullopt : std::optional(size);
}

/// Whether the snapshot's file is known to be the one that is listed: by its blob's name, else by its
/// content. Blobs that others named by an ETag, which may be that of another file, are read; not those named
/// by their sha256 where only git's name is listed, which is a large file's pointer's: the hub is asked about
/// them.
Result<bool> is_listed(const fs::path& file, const RemoteFile& listed, const Supervision& watch,
                       Progress& progress) {
  const auto size = size_in_snapshot(file);
  if (!size || *size != listed.size.value_or(*size)) return false;
  const Checksum expected = listed_checksum(listed);
  if (expected.kind == ChecksumKind::none) return true;
  std::error_code error;
  const std::string blob = fs::read_symlink(file, error).filename().string();
  if (!error && blob == expected.hex) return true;
  if (expected.kind == ChecksumKind::git_sha1 && checksum_of_etag(blob).kind == ChecksumKind::sha256)
    return false;
  ADDER_TRY(const std::string found,
            digest_of_file(file, expected.kind, watch, progress, "checking " + listed.path));
  return found == expected.hex;
}

/// Asks the hub about what is missing.
Result<std::vector<Item>> make_plan(Remote& remote, const RepositoryCache& cache, const std::string& commit,
                                    const std::vector<RemoteFile>& files, const Supervision& watch,
                                    Progress& progress) {
  std::vector<Item> out;
  for (const RemoteFile& file : files) {
    Item item{file.path, 0, std::nullopt};
    const fs::path link = cache.snapshot(commit) / file.path;
    ADDER_TRY(const bool present, is_listed(link, file, watch, progress));
    if (present) {
      item.size = size_in_snapshot(link).value_or(0);
    } else {
      ADDER_TRY(item.metadata, remote.metadata(commit, file));
      item.size = item.metadata->size;
    }
    out.push_back(std::move(item));
  }
  return out;
}

bool lists(const Listing& listing, std::string_view path) {
  return std::any_of(listing.files.begin(), listing.files.end(),
                     [&](const RemoteFile& file) { return file.path == path; });
}

/// Refuses before the first byte what cannot fit.
Status check_room(const RepositoryCache& cache, const std::vector<Item>& plan) {
  std::uint64_t needed = 0;
  for (const Item& item : plan) {
    if (!item.metadata || has_blob(cache, *item.metadata)) continue;
    const std::uint64_t there = size_in_snapshot(partial_path(cache.blob(item.metadata->blob))).value_or(0);
    needed += item.size - std::min(item.size, there);
  }
  std::error_code error;
  const fs::space_info space = fs::space(cache.cache(), error);
  if (error || needed <= space.available) return {};
  return fail(ErrorCode::resource_exhausted,
              fmt::format("{}: {} bytes are to be fetched, but only {} are free", cache.cache().string(),
                          needed, space.available),
              "free some room, or put the cache elsewhere with HF_HUB_CACHE");
}

Status fetch_all(Remote& remote, const RepositoryCache& cache, const std::vector<Item>& plan,
                 ProgressScope& progress, PullResult& result) {
  for (const Item& item : plan) {
    PulledFile file{item.path, item.size, 0};
    if (item.metadata) {
      Meter meter(progress);
      ADDER_TRY(file.bytes_fetched,
                fetch_blob(remote, cache, result.commit, item.path, *item.metadata, meter));
    }
    result.bytes_total += file.size;
    result.bytes_fetched += file.bytes_fetched;
    result.files.push_back(std::move(file));
  }
  return {};
}

Result<PullResult> from_cache(const RepositoryCache& cache, const ModelId& id, const Environment& environment,
                              const Supervision& watch) {
  Result<fs::path> model = locate(to_string(id), environment);
  if (!model && model.error().code == ErrorCode::not_found)
    return fail(ErrorCode::not_found, model.error().message + ", and HF_HUB_OFFLINE forbids to fetch it",
                "unset HF_HUB_OFFLINE");
  if (!model) return fail(std::move(model).error());
  log(watch.log, LogLevel::info, "HF_HUB_OFFLINE is set: {} as it is in the cache", to_string(id));
  PullResult out;
  ADDER_TRY(out.commit, cache.commit_of(id.revision));
  out.snapshot = cache.snapshot(out.commit);
  out.model = *std::move(model);
  return out;
}

}  // namespace

Result<PullResult> pull(const PullOptions& options, const Environment& environment, Supervision watch,
                        Progress& progress) {
  ADDER_TRY(const ModelId id, parse_model_id(options.id));
  ADDER_TRY(const Settings settings, read_settings(environment));
  const RepositoryCache cache(settings.cache, id);
  if (settings.offline) return from_cache(cache, id, environment, watch);

  ADDER_TRY(HttpClient http, HttpClient::create(settings, options.timeouts, watch));
  Remote remote(http, settings, id, options.retry, watch);
  ADDER_TRY(const Listing listing, remote.list());
  ADDER_TRY(const std::vector<RemoteFile> files, options.needs == Needs::tokenizer
                                                     ? select_tokenizer(listing.files, id)
                                                     : select_files(listing.files, options.include, id));
  ADDER_TRY(const std::vector<Item> plan, make_plan(remote, cache, listing.commit, files, watch, progress));
  ADDER_CHECK(make_directories(cache.cache()));
  ADDER_CHECK(check_room(cache, plan));

  PullResult out;
  out.commit = listing.commit;
  out.snapshot = cache.snapshot(listing.commit);
  std::uint64_t to_fetch = 0;
  for (const Item& item : plan) to_fetch += item.metadata ? item.size : 0;
  {
    ProgressScope scope(progress, to_fetch, "downloading " + id.repository());
    ADDER_CHECK(fetch_all(remote, cache, plan, scope, out));
  }
  for (const Item& item : plan)
    if (item.metadata) ADDER_CHECK(cache.link(out.commit, item.path, item.metadata->blob));
  if (!lists(listing, "tokenizer.json")) ADDER_CHECK(cache.write_absent(out.commit, "tokenizer.json"));
  ADDER_CHECK(cache.write_ref(id.revision, out.commit));
  out.model = model_in(out.snapshot, id).value_or(out.snapshot);
  return out;
}

}  // namespace adder::hub
