#include "pjrt/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string_view>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "pjrt/api.h"
#include "pjrt/quiet_stderr.h"

namespace adder::pjrt {
namespace fs = std::filesystem;

struct Plugin::State {
  fs::path path;
  const PJRT_Api* api = nullptr;
  std::vector<NamedValue> attributes;
  mutable std::once_flag content_read;
  mutable std::string content;
};

namespace {

constexpr std::array<std::pair<const char*, const char*>, 3> kQuiet{{
    {"TF_CPP_MIN_LOG_LEVEL", "3"},
    {"TPU_MIN_LOG_LEVEL", "3"},
    {"TPU_STDERR_LOG_LEVEL", "3"},
}};

/// Without these libtpu, once loaded, asks a metadata server on the network what machine it is on, and waits
/// for minutes where there is none. They are set whatever the plugin's file is called, and mean nothing to
/// others. On a machine with TPUs the user says what differs: all are left as they are where set.
constexpr std::array<std::pair<const char*, const char*>, 5> kNoSearch{{
    {"TPU_SKIP_MDS_QUERY", "1"},
    {"TPU_WORKER_HOSTNAMES", "localhost"},
    {"TPU_WORKER_ID", "0"},
    {"TPU_ACCELERATOR_TYPE", "v6e-1"},
    {"TPU_LOG_DIR", "disabled"},
}};

void prepare_environment(const PluginOptions& options) {
  constexpr int kKeepExisting = 0;
  if (!options.verbose)
    for (const auto& [name, value] : kQuiet) ::setenv(name, value, kKeepExisting);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), kKeepExisting);
  for (const auto& [name, value] : kNoSearch) ::setenv(name, value, kKeepExisting);
}

/// The faults that dlopen reports only in prose, told apart by looking at the file.
Status check_file(const fs::path& path) {
  std::error_code ec;
  const fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status))
    return fail(ErrorCode::not_found, fmt::format("plugin {}: no such file", path.string()),
                "`adder devices` lists the plugins found and the places searched");
  if (!fs::is_regular_file(status))
    return fail(ErrorCode::invalid_argument, fmt::format("plugin {}: not a regular file", path.string()),
                "give the path of the .so file itself");
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> magic{};
  file.read(magic.data(), magic.size());
  if (!file || std::string_view(magic.data(), magic.size()) !=
                   "\x7f"
                   "ELF")
    return fail(
        ErrorCode::corrupt,
        fmt::format("plugin {}: not a shared object (it does not start with \\x7fELF)", path.string()),
        "give the path of a PJRT plugin's .so file");
  return {};
}

Result<void*> load_library(const fs::path& path, const PluginOptions& options) {
  ::dlerror();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | (options.global_symbols ? RTLD_GLOBAL : RTLD_LOCAL));
  if (handle != nullptr) return handle;
  const char* reason = ::dlerror();
  return fail(ErrorCode::corrupt,
              fmt::format("plugin {}: dlopen: {}", path.string(), reason != nullptr ? reason : "failed"),
              "the plugin must be built for this machine, and the libraries it needs must be installed "
              "(a CUDA plugin finds the nvidia-* wheels beside it in the same site-packages)");
}

Result<const PJRT_Api*> get_api(void* handle, const fs::path& path) {
  using GetPjrtApi = const PJRT_Api* (*)();
  const auto get = reinterpret_cast<GetPjrtApi>(::dlsym(handle, "GetPjrtApi"));
  if (get == nullptr)
    return fail(ErrorCode::invalid_argument,
                fmt::format("plugin {}: a shared object, but it exports no GetPjrtApi", path.string()),
                "it is not a PJRT plugin; `adder devices` lists those found");
  const PJRT_Api* api = get();
  constexpr std::size_t kNeeded = offsetof(PJRT_Api, pjrt_api_version) + PJRT_Api_Version_STRUCT_SIZE;
  if (api == nullptr || api->struct_size < kNeeded)
    return fail(ErrorCode::corrupt,
                fmt::format("plugin {}: GetPjrtApi returned no usable table", path.string()));
  const int major = api->pjrt_api_version.major_version;
  if (major != PJRT_API_MAJOR)
    return fail(ErrorCode::unsupported,
                fmt::format("plugin {}: PJRT API {}.{}, expected major version {}", path.string(), major,
                            api->pjrt_api_version.minor_version, PJRT_API_MAJOR),
                "use a plugin with that major version, or build Adder with a newer pjrt_c_api.h");
  return api;
}

/// Of a file that was loaded just now; of nothing should it have gone since.
std::string content_hash(const fs::path& path) {
  Hasher hasher;
  if (const Result<MappedFile> file = MappedFile::open(path)) {
    file->advise(file->bytes(), Advice::sequential);
    hasher.bytes(file->bytes());
  }
  return hasher.value().hex();
}

}  // namespace

std::string to_string(ApiVersion version) { return fmt::format("{}.{}", version.major, version.minor); }
ApiVersion header_api_version() { return {PJRT_API_MAJOR, PJRT_API_MINOR}; }

Result<Plugin> Plugin::open(const fs::path& path, const PluginOptions& options) {
  ADDER_CHECK(check_file(path));
  std::error_code ec;
  fs::path absolute = fs::absolute(path, ec);  // dlopen searches the system's folders for a bare file name
  if (ec) absolute = path;
  prepare_environment(options);
  const QuietStderr quiet(plugins_are_quiet());
  // PJRT_Plugin_Initialize is to be called once; a library that is already here went through it.
  const bool loaded_before = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr;
  ADDER_TRY(void* handle, load_library(absolute, options));
  ADDER_TRY(const PJRT_Api* api, get_api(handle, absolute));
  if (!loaded_before && has(api, ADDER_PJRT(PJRT_Plugin_Initialize)))
    ADDER_CHECK(call(api, ADDER_PJRT(PJRT_Plugin_Initialize), [](auto&) {}));

  auto state = std::make_shared<State>();
  state->api = api;
  state->path = std::move(absolute);
  // Attributes are only information: a plugin that cannot give them still works.
  if (auto attributes = call(api, ADDER_PJRT(PJRT_Plugin_Attributes), [](auto&) {}))
    state->attributes = named_values_from_c(attributes->attributes, attributes->num_attributes);
  return Plugin(std::move(state));
}

const fs::path& Plugin::path() const { return state_->path; }
const PJRT_Api* Plugin::api() const { return state_->api; }
const std::vector<NamedValue>& Plugin::attributes() const { return state_->attributes; }
const std::string& Plugin::content() const {
  std::call_once(state_->content_read, [this] {
    std::error_code ignored;
    state_->content = fmt::format("size={} content={} api={}", fs::file_size(path(), ignored),
                                  content_hash(path()), to_string(api_version()));
  });
  return state_->content;
}
ApiVersion Plugin::api_version() const {
  return {state_->api->pjrt_api_version.major_version, state_->api->pjrt_api_version.minor_version};
}

}  // namespace adder::pjrt
