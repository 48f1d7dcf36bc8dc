#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/json.h"

namespace adder::hub {
namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxBody = 64u << 20;
constexpr std::size_t kMaxHeaders = 300;

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

/// Process-wide, once; the C++ runtime makes it safe from any thread.
CURLcode initialise_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  return code;
}

/// What the callbacks of one exchange work on.
struct Exchange {
  CURL* curl = nullptr;
  const Supervision* watch = nullptr;
  BodySink* sink = nullptr;
  HttpResponse response;
  Status sink_status;
  std::chrono::milliseconds patience{0};  // 0: endless
  curl_off_t received = 0;
  std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
  bool stalled = false;
  bool begun = false;
  bool too_large = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // also after a "100 Continue" or a proxy's answer
    exchange.response.headers.clear();
  } else if (const std::size_t colon = line.find(':');
             colon != line.npos && exchange.response.headers.size() < kMaxHeaders) {
    exchange.response.headers[lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
  }
  return size;
}

/// Tells the sink of the answer, once. False if the transfer must end.
bool begin_body(Exchange& exchange) {
  long status = 0;
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  exchange.begun = true;
  if (exchange.sink != nullptr && exchange.response.ok())
    exchange.sink_status = exchange.sink->begin(exchange.response);
  return exchange.sink_status.has_value();
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (!exchange.begun && !begin_body(exchange)) return CURL_WRITEFUNC_ERROR;
  if (exchange.sink != nullptr && exchange.response.ok()) {
    exchange.sink_status = exchange.sink->write(std::as_bytes(std::span(data, size)));
    return exchange.sink_status ? size : CURL_WRITEFUNC_ERROR;
  }
  exchange.too_large = exchange.response.body.size() + size > kMaxBody;
  if (exchange.too_large) return CURL_WRITEFUNC_ERROR;
  exchange.response.body.append(data, size);
  return size;
}

/// Called at least about once a second. curl's own low speed limit looks at an average of several seconds,
/// and would find a stall late.
int on_progress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto now = std::chrono::steady_clock::now();
  if (received != exchange.received) {
    exchange.received = received;
    exchange.last_byte = now;
  }
  exchange.stalled = exchange.patience.count() > 0 && now - exchange.last_byte > exchange.patience;
  return exchange.stalled || exchange.watch->stopped() ? 1 : 0;
}

bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

/// Storage hosts sign their URLs in the query: long, and good for nothing in a message.
std::string_view without_query(std::string_view url) { return url.substr(0, url.find('?')); }

std::string_view describe_method(const HttpRequest& request) {
  return request.method == HttpRequest::Method::head ? "HEAD" : "GET";
}

Failure curl_failure(CURLcode code, const char* detail, const Exchange& exchange,
                     const HttpRequest& request) {
  if (!exchange.sink_status) return {exchange.sink_status.error()};
  if (exchange.watch->stopped()) return {stopped_failure().value()};
  Failure out;
  out.transient = exchange.stalled || is_transient(code);
  const std::string why = exchange.stalled  ? fmt::format("silent for {} ms", exchange.patience.count())
                          : *detail != '\0' ? detail
                                            : curl_easy_strerror(code);
  out.error.message = fmt::format("{} {}: {}", describe_method(request), without_query(request.url), why);
  if (exchange.too_large) out.error.message += fmt::format(": an answer of more than {} bytes", kMaxBody);
  if (out.transient) {
    out.error.hint =
        "check the network, and HF_ENDPOINT if it is set; what has arrived is kept, and the next "
        "`adder pull` goes on from it";
  } else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    out.error.hint = "if a proxy signs its own certificates, name its bundle in REQUESTS_CA_BUNDLE";
  }
  return out;
}

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::optional<std::array<std::string, 3>> origin(const std::string& text) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return std::nullopt;
  std::array<std::string, 3> out;
  constexpr std::array kParts = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    char* part = nullptr;
    if (curl_url_get(url.get(), kParts[i], &part, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::nullopt;
    out[i] = lower(part);
    curl_free(part);
  }
  return out;
}

}  // namespace

std::string_view HttpResponse::header(std::string_view lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

struct HttpClient::State {
  std::unique_ptr<CURL, FreeCurl> curl;
  Settings settings;
  Timeouts timeouts;
  Supervision watch;
};

HttpClient::HttpClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::create(const Settings& settings, const Timeouts& timeouts, Supervision watch) {
  if (const CURLcode code = initialise_curl(); code != CURLE_OK)
    return fail(ErrorCode::internal, fmt::format("libcurl does not start: {}", curl_easy_strerror(code)));
  std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
  if (!curl) return fail(ErrorCode::internal, "libcurl does not start: no memory");
  return HttpClient(std::make_unique<State>(State{std::move(curl), settings, timeouts, watch}));
}

Attempt<HttpResponse> HttpClient::exchange(const HttpRequest& request, BodySink* sink,
                                           std::string& redirect) {
  CURL* curl = state_->curl.get();
  curl_easy_reset(curl);  // options only: connections stay
  Exchange exchange;
  exchange.curl = curl;
  exchange.watch = &state_->watch;
  exchange.sink = sink;
  exchange.patience = state_->timeouts.stall;
  std::array<char, CURL_ERROR_SIZE> detail{};
  const Settings& settings = state_->settings;

  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.method == HttpRequest::Method::head ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "adder");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L << 10);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(state_->timeouts.connect.count()));
  // Set even when empty, so that curl does not look at the environment.
  const bool secure = request.url.starts_with("https:");
  curl_easy_setopt(curl, CURLOPT_PROXY, (secure ? settings.https_proxy : settings.http_proxy).c_str());
  curl_easy_setopt(curl, CURLOPT_NOPROXY, settings.no_proxy.c_str());
  if (!settings.ca_bundle.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings.ca_bundle.c_str());
  // "identity": sizes and ranges must be those of the file.
  List headers(curl_slist_append(nullptr, "Accept-Encoding: identity"));
  if (!request.token.empty())
    curl_slist_append(headers.get(), ("Authorization: Bearer " + request.token).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  const std::string range = fmt::format("{}-", request.first_byte);
  if (request.first_byte > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return tl::unexpected<Failure>(curl_failure(code, detail.data(), exchange, request));
  if (!exchange.begun && !begin_body(exchange))  // an answer without content
    return tl::unexpected<Failure>(Failure{exchange.sink_status.error()});
  char* target = nullptr;
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &target);
  redirect = target != nullptr ? target : "";
  return std::move(exchange.response);
}

Attempt<HttpResponse> HttpClient::send(const HttpRequest& request, BodySink* sink) {
  HttpRequest hop = request;
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    std::string target;
    Attempt<HttpResponse> response = exchange(hop, sink, target);
    if (!response || target.empty()) return response;
    if (request.method == HttpRequest::Method::head && !response->header("x-linked-etag").empty())
      return response;
    if (hop.url.starts_with("https:") && !target.starts_with("https:"))
      return tl::unexpected<Failure>(
          Failure{{ErrorCode::unsupported,
                   fmt::format("{} {}: it redirects to {}, which is not encrypted", describe_method(request),
                               without_query(hop.url), in_quotes(without_query(target))),
                   ""}});
    hop.url = std::move(target);
    hop.token = same_origin(request.url, hop.url) ? request.token : "";
  }
  return tl::unexpected<Failure>(
      Failure{{ErrorCode::internal,
               fmt::format("{} {}: more than {} redirects", describe_method(request),
                           without_query(request.url), kMaxRedirects),
               ""}});
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) != 0 ||
                                       std::string_view("-_.~").find(c) != std::string_view::npos);
    if (plain || (c == '/' && keep_slashes))
      out.push_back(c);
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

bool same_origin(const std::string& a, const std::string& b) {
  const auto first = origin(a), second = origin(b);
  return first && second && *first == *second;
}

}  // namespace adder::hub
