#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "pjrt/named_value.h"

struct PJRT_Api;

namespace adder::pjrt {

struct PluginOptions {
  /// Off: before loading, the variables that quieten XLA's log (TF_CPP_MIN_LOG_LEVEL=3 and libtpu's) are put
  /// in the process's environment unless they are already there.
  bool verbose = false;
  /// Load with RTLD_GLOBAL. Local symbols keep two plugins, each with its own XLA, apart.
  bool global_symbols = false;
  /// More variables to set before loading, where unset. Those without which libtpu would search the network
  /// are always set.
  std::vector<std::pair<std::string, std::string>> environment;
};

/// PJRT_Api_Version: two plugins with the same major number are ABI compatible, up to the shorter table.
struct ApiVersion {
  int major = 0;
  int minor = 0;
  bool operator==(const ApiVersion&) const = default;
};
std::string to_string(ApiVersion version);  ///< "0.81"

/// The PJRT API version of the header that Adder was built with.
ApiVersion header_api_version();

/// A loaded PJRT plugin: a shared object that exports GetPjrtApi. A cheap handle; copies share one plugin.
/// It is never unloaded: a plugin owns threads and process-wide registries that would outlive its code.
/// Thread rule: open() changes the environment and initialises the plugin, so call it from one thread, before
/// others read the environment. Everything else may be called from any thread.
class Plugin {
 public:
  /// Loads and initialises the plugin at `path`. Errors: not_found (no such file), corrupt (not a shared
  /// object for this machine), invalid_argument (no GetPjrtApi), unsupported (another major version), or
  /// whatever the plugin's own initialisation says. A library that turned out not to be a plugin stays
  /// loaded.
  static Result<Plugin> open(const std::filesystem::path& path, const PluginOptions& options = {});

  const std::filesystem::path& path() const;  ///< absolute
  ApiVersion api_version() const;             ///< of the plugin
  /// What the plugin says of itself, such as xla_version and stablehlo_current_version; may be empty.
  const std::vector<NamedValue>& attributes() const;
  /// "size=... content=... api=0.81", with 128 bits over every byte of the file: the same wherever, and under
  /// whatever name, the same file lies. It is read on the first call (0.1 s for the largest).
  const std::string& content() const;
  /// The plugin's function table; lives as long as the process.
  const PJRT_Api* api() const;

 private:
  struct State;
  explicit Plugin(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace adder::pjrt
