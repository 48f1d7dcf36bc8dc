#include "hub/environment.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace adder::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::size_t kMaxToken = 4096;

/// The first of these that is set and not empty.
std::string first_set(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto value = environment.variable(name); value && !value->empty()) return *value;
  return {};
}

fs::path expand_home(const std::string& path, const Environment& environment) {
  if (path == "~") return environment.home;
  if (path.starts_with("~/")) return environment.home / path.substr(2);
  return path;
}

Result<fs::path> hf_home(const Environment& environment) {
  if (const std::string home = first_set(environment, {"HF_HOME"}); !home.empty())
    return expand_home(home, environment);
  if (const std::string cache = first_set(environment, {"XDG_CACHE_HOME"}); !cache.empty())
    return expand_home(cache, environment) / "huggingface";
  if (environment.home.empty())
    return fail(ErrorCode::not_found, "cannot tell where the model cache is: the user has no home directory",
                "set HF_HUB_CACHE to a folder");
  return environment.home / ".cache" / "huggingface";
}

bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

std::string stripped(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string read_token_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::array<char, kMaxToken> text{};
  in.read(text.data(), text.size());
  return stripped(std::string(text.data(), static_cast<std::size_t>(in.gcount())));
}

Status find_token(const Environment& environment, Settings& settings) {
  settings.token_source = "HF_TOKEN";
  settings.token = stripped(first_set(environment, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}));
  if (settings.token.empty()) {
    fs::path file = expand_home(first_set(environment, {"HF_TOKEN_PATH"}), environment);
    if (file.empty()) {
      const Result<fs::path> home = hf_home(environment);
      if (!home) return {};  // HF_HUB_CACHE alone says enough; no token then
      file = *home / "token";
    }
    settings.token_source = file.string();
    settings.token = read_token_file(file);
  }
  if (std::all_of(settings.token.begin(), settings.token.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: this token holds characters that no token has", settings.token_source),
              "copy it again from https://huggingface.co/settings/tokens");
}

}  // namespace

Environment Environment::system() {
  Environment out;
  out.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    out.home = home;
    return out;
  }
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    out.home = found->pw_dir;
  return out;
}

Result<fs::path> cache_directory(const Environment& environment) {
  const std::string cache = first_set(environment, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  if (!cache.empty()) return expand_home(cache, environment);
  ADDER_TRY(const fs::path home, hf_home(environment));
  return home / "hub";
}

Result<Settings> read_settings(const Environment& environment) {
  Settings out;
  ADDER_TRY(out.cache, cache_directory(environment));
  out.endpoint = stripped(first_set(environment, {"HF_ENDPOINT"}));
  if (out.endpoint.empty()) out.endpoint = "https://huggingface.co";
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
  if (!out.endpoint.starts_with("https://") && !out.endpoint.starts_with("http://"))
    return fail(ErrorCode::invalid_argument,
                fmt::format("HF_ENDPOINT: expected an http or https URL, found {}", in_quotes(out.endpoint)));
  ADDER_CHECK(find_token(environment, out));
  out.offline = is_true(first_set(environment, {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  // Upper-case HTTP_PROXY is left alone, as curl does: a CGI server sets it from a request's Proxy header.
  out.http_proxy = first_set(environment, {"http_proxy", "all_proxy", "ALL_PROXY"});
  out.https_proxy = first_set(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  out.no_proxy = first_set(environment, {"no_proxy", "NO_PROXY"});
  out.ca_bundle = first_set(environment, {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"});
  return out;
}

}  // namespace adder::hub
