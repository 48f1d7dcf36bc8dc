#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "hub/environment.h"
#include "hub/supervision.h"

namespace adder::hub {

struct Timeouts {
  std::chrono::milliseconds connect{15'000};
  std::chrono::milliseconds stall{30'000};  ///< without a single byte, to a second or so; 0: for ever
};

struct HttpRequest {
  enum class Method { get, head };
  Method method = Method::get;
  std::string url;
  /// Sent as a bearer token to the URL's own scheme, host and port, never to where a redirect leads outside
  /// of them. Empty: none.
  std::string token;
  std::uint64_t first_byte = 0;  ///< not 0: asks for the content from here on (Range)
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case; the last of a name
  std::string body;                                         ///< unless it went into a sink

  bool ok() const { return status >= 200 && status < 300; }
  /// Empty if absent.
  std::string_view header(std::string_view lower_case_name) const;
};

/// Takes the content of a successful answer (status 200 to 299) as it arrives.
class BodySink {
 public:
  virtual ~BodySink() = default;
  /// The headers are there, the content comes next. An error ends the transfer and is what send() returns.
  virtual Status begin(const HttpResponse& head) = 0;
  virtual Status write(std::span<const std::byte> bytes) = 0;
};

/// HTTP and HTTPS through libcurl; connections are kept and reused. Makes curl's process-wide initialisation
/// once, thread-safely, and never undoes it (libcurl's own advice for libraries). Reads nothing of the
/// environment itself. Move-only; one thread at a time, several clients in several threads are fine.
class HttpClient {
 public:
  static Result<HttpClient> create(const Settings& settings, const Timeouts& timeouts, Supervision watch);

  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient();

  /// One request, following up to ten redirects (HEAD: until an answer carries X-Linked-Etag, which is the
  /// hub's word on the file, while what it redirects to is a storage host). Any status is an answer. A body
  /// without a sink, or of a failure, is kept up to 64 MiB. Failures: transient for what a later attempt may
  /// mend (connections refused or cut, timeouts, names that do not resolve); cancelled on request.
  Attempt<HttpResponse> send(const HttpRequest& request, BodySink* sink = nullptr);

 private:
  struct State;
  explicit HttpClient(std::unique_ptr<State> state);
  Attempt<HttpResponse> exchange(const HttpRequest& request, BodySink* sink, std::string& redirect);

  std::unique_ptr<State> state_;
};

/// Percent-encodes everything but letters, digits and "-_.~", and '/' if `keep_slashes`.
std::string percent_encoded(std::string_view text, bool keep_slashes);

/// Whether both URLs have the same scheme, host and port.
bool same_origin(const std::string& a, const std::string& b);

}  // namespace adder::hub
