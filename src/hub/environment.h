#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "adder/error.h"

namespace adder::hub {

/// What this room reads of the process; injected so that tests need none of it.
struct Environment {
  /// A variable's value, nullopt if unset.
  std::function<std::optional<std::string>(const std::string&)> variable;
  std::filesystem::path home;  ///< the user's; empty if unknown

  /// The process's own.
  static Environment system();
};

/// What the environment says, by the rules of the Python package huggingface_hub, so that both use one cache.
struct Settings {
  std::filesystem::path cache;  ///< HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub
  std::string endpoint;         ///< HF_ENDPOINT, else https://huggingface.co; no slash at the end
  std::string token;            ///< HF_TOKEN, else the file HF_TOKEN_PATH or HF_HOME/token; may be empty
  std::string token_source;     ///< the variable or file that gave the token
  bool offline = false;         ///< HF_HUB_OFFLINE is 1, true, yes or on
  std::string http_proxy, https_proxy, no_proxy;  ///< as curl reads them; empty: none
  std::string ca_bundle;  ///< REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE; empty: the system's
};

/// The part that needs no network. Error not_found: no variable names the cache and the home is unknown.
Result<std::filesystem::path> cache_directory(const Environment& environment);

/// Errors: those of cache_directory; invalid_argument for an endpoint that is no http(s) URL, or a token that
/// cannot stand in a header. The token never appears in a message.
Result<Settings> read_settings(const Environment& environment);

}  // namespace adder::hub
