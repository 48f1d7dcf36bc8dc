#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/json.h"
#include "hub/digest.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/model_id.h"
#include "hub/supervision.h"

namespace adder::hub {

/// A file as the hub lists it; fields it does not tell are absent or empty.
struct RemoteFile {
  std::string path;                   ///< inside the repository; safe (see is_safe_path)
  std::optional<std::uint64_t> size;  ///< in bytes
  std::string sha256;                 ///< of the content; large files only
  std::string git_sha1;               ///< of small files; for a large one git knows a pointer, not this
};

/// A repository at one commit.
struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
};

/// What there is to know of a file before its content comes.
struct FileMetadata {
  std::string blob;  ///< the name of its content in the cache: the checksum where there is one
  std::uint64_t size = 0;
  Checksum checksum;  ///< kind none only if the hub gives no hash at all
};

/// The hash that the hub lists for a file's content; kind none if it lists none.
Checksum listed_checksum(const RemoteFile& file);

/// Reads the answer of GET /api/models/ID/revision/REV?blobs=true. Error corrupt for anything that is not
/// one, and for a file name that would leave the repository's folder.
Result<Listing> parse_listing(const Json& answer, const std::string& origin);

/// An ETag header's value without W/ and quotes; empty if it could not be a file's name.
std::string normalised_etag(std::string_view header);

/// The hub's HTTP interface, with retries. The referents outlive it. One thread at a time.
class Remote {
 public:
  Remote(HttpClient& http, const Settings& settings, const ModelId& id, RetryPolicy policy, Supervision watch)
      : http_(http), settings_(settings), id_(id), policy_(policy), watch_(watch) {}

  /// Errors: not_found (no such model or revision), failed_precondition (it asks for a token, or refuses the
  /// one it got), corrupt, internal (the network, or the hub, fails).
  Result<Listing> list();
  /// Of one file at a commit. The listed hash counts, then a hash in the headers; an ETag that is no hash
  /// (nginx's time and size, the same for many files) names nothing. Where there is no hash the blob's name
  /// is made of commit and path, so that no other file can be taken for it, and a warning is given. Error
  /// corrupt also if the hub contradicts its own listing.
  Result<FileMetadata> metadata(const std::string& commit, const RemoteFile& file);

  HttpRequest content_request(const std::string& commit, const std::string& path) const;
  /// What an answer that is no success means, for the user.
  Failure explain(const HttpResponse& response, const HttpRequest& request) const;
  /// One try; see HttpClient::send. Answers other than success are failures.
  Attempt<HttpResponse> attempt(const HttpRequest& request, BodySink* sink = nullptr);

  const RetryPolicy& policy() const { return policy_; }
  const Supervision& watch() const { return watch_; }

 private:
  Error explain_refusal(const HttpResponse& response, const HttpRequest& request) const;
  Error explain_absence(const HttpResponse& response, const HttpRequest& request) const;

  HttpClient& http_;
  const Settings& settings_;
  const ModelId& id_;
  RetryPolicy policy_;
  Supervision watch_;
};

}  // namespace adder::hub
