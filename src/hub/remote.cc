#include "hub/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

namespace adder::hub {
namespace {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::string text_field(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> size_field(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer() || *found < 0) return std::nullopt;
  return found->get<std::uint64_t>();
}

Result<RemoteFile> parse_file(const Json& entry, const std::string& origin) {
  RemoteFile out;
  out.path = entry.is_object() ? text_field(entry, "rfilename") : "";
  if (!is_safe_path(out.path))
    return fail(ErrorCode::corrupt,
                fmt::format("{}: the repository lists a file named {}, which would lie outside of its folder",
                            origin, in_quotes(out.path)),
                "do not use this repository: no honest one has such a file");
  out.size = size_field(entry, "size");
  const auto lfs = entry.find("lfs");
  if (lfs != entry.end() && lfs->is_object()) {
    out.sha256 = text_field(*lfs, "sha256");
    if (const auto size = size_field(*lfs, "size")) out.size = size;
  } else {
    out.git_sha1 = text_field(entry, "blobId");
  }
  return out;
}

bool is_transient(int status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

/// The checksum, which no other content has; else one of where the content belongs.
Result<std::string> blob_name(const Checksum& checksum, const std::string& commit, const std::string& path) {
  if (checksum.kind != ChecksumKind::none) return checksum.hex;
  ADDER_TRY(Digest digest, Digest::start(ChecksumKind::sha256, 0));
  const std::string place = commit + "/" + path;
  digest.update(std::as_bytes(std::span(place)));
  return "unverified-" + digest.finish();
}

/// What the hub adds in its own words.
std::string remark(const HttpResponse& response) {
  const std::string_view text = response.header("x-error-message");
  return text.empty() ? std::string() : fmt::format(": {}", in_quotes(text));
}

}  // namespace

std::string normalised_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"')
    header = header.substr(1, header.size() - 2);
  if (!is_safe_path(header) || header.find('/') != header.npos || header.front() == '.' ||
      header.size() > 128)
    return {};
  return std::string(header);
}

Checksum listed_checksum(const RemoteFile& file) {
  const Checksum large = checksum_of_etag(file.sha256);
  if (large.kind == ChecksumKind::sha256) return large;
  const Checksum small = checksum_of_etag(file.git_sha1);
  return small.kind == ChecksumKind::git_sha1 ? small : Checksum();
}

Result<Listing> parse_listing(const Json& answer, const std::string& origin) {
  const auto wrong = [&](std::string what) {
    return fail(ErrorCode::corrupt, fmt::format("{}: {}", origin, what),
                "is HF_ENDPOINT a Hugging Face-compatible hub?");
  };
  if (!answer.is_object()) return wrong("expected an object, found " + describe(answer));
  Listing out;
  out.commit = text_field(answer, "sha");
  if (!is_commit(out.commit))
    return wrong(fmt::format("expected a commit hash in \"sha\", found {}", in_quotes(out.commit)));
  const auto files = answer.find("siblings");
  if (files == answer.end() || !files->is_array()) return wrong("there is no list of files in \"siblings\"");
  for (const Json& entry : *files) {
    ADDER_TRY(RemoteFile file, parse_file(entry, origin));
    out.files.push_back(std::move(file));
  }
  return out;
}

Error Remote::explain_refusal(const HttpResponse& response, const HttpRequest& request) const {
  const std::string page = fmt::format("{}/{}", settings_.endpoint, id_.repository());
  const std::string answer =
      fmt::format("{}: the hub answers {}{}", request.url, response.status, remark(response));
  Error out{ErrorCode::failed_precondition, "", ""};
  if (response.header("x-error-code") == "GatedRepo") {
    out.message = fmt::format("{}: {} is gated", answer, id_.repository());
    out.hint = fmt::format(
        "accept its terms at {} with your account, then set HF_TOKEN to a token of that account", page);
  } else if (settings_.token.empty()) {
    out.message = fmt::format("{}: {} is private or gated, or it does not exist", answer, id_.repository());
    out.hint = fmt::format("check the name; if it is right, set HF_TOKEN to a token that may read {}", page);
  } else {
    out.message = fmt::format("{}: it refuses the token from {}", answer, settings_.token_source);
    out.hint = fmt::format(
        "is HF_TOKEN right and not expired, and may its account read {}? Or the name is wrong", page);
  }
  return out;
}

Error Remote::explain_absence(const HttpResponse& response, const HttpRequest& request) const {
  const std::string_view code = response.header("x-error-code");
  std::string message =
      code == "RevisionNotFound" ? fmt::format("{} has no revision {}", id_.repository(), id_.revision)
      : code == "EntryNotFound"  ? fmt::format("{} has no such file at this commit", id_.repository())
      : id_.revision == "main"
          ? fmt::format("there is no model {}", id_.repository())
          : fmt::format("there is no model {}, or it has no revision {}", id_.repository(), id_.revision);
  std::string hint = fmt::format("look at {}/{}", settings_.endpoint, id_.repository());
  if (settings_.token.empty()) hint += "; a private model shows itself only with HF_TOKEN set";
  return {ErrorCode::not_found, fmt::format("{}: {} (404{})", request.url, message, remark(response)),
          std::move(hint)};
}

Failure Remote::explain(const HttpResponse& response, const HttpRequest& request) const {
  Failure out;
  out.status = response.status;
  if (response.status == 401 || response.status == 403) {
    out.error = explain_refusal(response, request);
  } else if (response.status == 404) {
    out.error = explain_absence(response, request);
  } else {
    out.transient = is_transient(response.status);
    out.error = {ErrorCode::internal,
                 fmt::format("{}: the hub answers {}{}", request.url, response.status, remark(response)),
                 out.transient ? "the hub has trouble: try again later" : ""};
    if (const auto seconds = parse_size(response.header("retry-after")))
      out.retry_after = std::chrono::seconds(std::min<std::uint64_t>(*seconds, 3600));
  }
  return out;
}

Attempt<HttpResponse> Remote::attempt(const HttpRequest& request, BodySink* sink) {
  Attempt<HttpResponse> response = http_.send(request, sink);
  // A HEAD that ends at a redirect with the file's metadata has what it came for.
  if (response && !response->ok() && response->header("x-linked-etag").empty())
    return tl::unexpected<Failure>(explain(*response, request));
  return response;
}

Result<Listing> Remote::list() {
  HttpRequest request;
  request.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings_.endpoint, id_.repository(),
                            percent_encoded(id_.revision, false));
  request.token = settings_.token;
  ADDER_TRY(const HttpResponse response,
            with_retries<HttpResponse>(policy_, watch_, [&] { return attempt(request); }));
  ADDER_TRY(const Json answer, parse_json(response.body, request.url));
  return parse_listing(answer, request.url);
}

HttpRequest Remote::content_request(const std::string& commit, const std::string& path) const {
  HttpRequest out;
  out.url = fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, id_.repository(), commit,
                        percent_encoded(path, true));
  out.token = settings_.token;
  return out;
}

Result<FileMetadata> Remote::metadata(const std::string& commit, const RemoteFile& file) {
  HttpRequest request = content_request(commit, file.path);
  request.method = HttpRequest::Method::head;
  ADDER_TRY(const HttpResponse response,
            with_retries<HttpResponse>(policy_, watch_, [&] { return attempt(request); }));
  const auto contradiction = [&](std::string_view field, std::string_view listed, std::string_view found) {
    return fail(ErrorCode::corrupt, fmt::format("{}: {}: expected {} as listed, found {}", request.url, field,
                                                in_quotes(listed), in_quotes(found)));
  };
  if (const auto at = response.header("x-repo-commit"); !at.empty() && at != commit)
    return contradiction("X-Repo-Commit", commit, at);

  const Checksum linked = checksum_of_etag(normalised_etag(response.header("x-linked-etag")));
  FileMetadata out;
  out.checksum = listed_checksum(file);
  if (linked.kind == ChecksumKind::sha256 && out.checksum.kind == ChecksumKind::sha256 &&
      linked.hex != out.checksum.hex)
    return contradiction("sha256", out.checksum.hex, linked.hex);
  // Where a large file is listed without its sha256, what git knows is a pointer.
  if (out.checksum.kind != ChecksumKind::sha256 && linked.kind == ChecksumKind::sha256) out.checksum = linked;
  if (out.checksum.kind == ChecksumKind::none)
    out.checksum = checksum_of_etag(normalised_etag(response.header("etag")));
  ADDER_TRY(out.blob, blob_name(out.checksum, commit, file.path));
  if (out.checksum.kind == ChecksumKind::none)
    log(watch_.log, LogLevel::warn, "{}: the hub gives no hash, so only the size can be checked",
        request.url);

  auto size = parse_size(response.header("x-linked-size"));
  if (!size && response.ok()) size = parse_size(response.header("content-length"));
  if (!size) size = file.size;
  if (!size) return fail(ErrorCode::corrupt, fmt::format("{}: the hub gives no size", request.url));
  if (file.size && *file.size != *size)
    return contradiction("size", std::to_string(*file.size), std::to_string(*size));
  out.size = *size;
  return out;
}

}  // namespace adder::hub
