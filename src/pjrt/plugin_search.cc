#include "pjrt/plugin_search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

namespace adder::pjrt {
namespace fs = std::filesystem;
namespace {

struct KnownPlugin {
  std::string_view platform, wheel;
  std::string_view file;  ///< inside site-packages; '*' stands for any part of one name
};
// In order of preference.
constexpr std::array<KnownPlugin, 11> kKnown{{
    {"cpu", "lammps-jax-pjrt-cpu", "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so"},
    {"cpu", "fastatomstruct-xla-cpu", "fastatomstruct_xla_cpu/libpjrt_cpu.so"},
    {"cpu", "xla-cpu-pjrt", "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so"},
    {"cuda", "jax-cuda13-pjrt", "jax_plugins/xla_cuda13/xla_cuda_plugin.so"},
    {"cuda", "jax-cuda12-pjrt", "jax_plugins/xla_cuda12/xla_cuda_plugin.so"},
    {"cuda", "xla-cuda13-pjrt", "xla_plugins/xla_cuda13_pjrt/*.so"},
    {"cuda", "xla-cuda12-pjrt", "xla_plugins/xla_cuda12_pjrt/*.so"},
    {"rocm", "jax-rocm7-pjrt", "jax_plugins/xla_rocm7/xla_rocm_plugin.so"},
    {"rocm", "jax-rocm10-pjrt", "jax_plugins/xla_rocm10/xla_rocm_plugin.so"},
    {"oneapi", "jax-oneapi-pjrt", "jax_plugins/*oneapi*/*.so"},
    {"tpu", "libtpu", "libtpu/libtpu.so"},
}};

/// What pip is asked for: the wheel with the libraries that it needs and brings not along, of the version
/// that was tried, where one was.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kInstall{{
    {"cpu", "lammps-jax-pjrt-cpu==0.11.2"},
    // jax-cuda13-pjrt, and NVIDIA's libraries. An older Python has no such version: pip would say so.
    {"cuda",
     "'jax-cuda13-plugin[with-cuda]==0.11.2'  # Python 3.12 or newer; docs/GPU.md has a line for older ones"},
    {"rocm", "jax-rocm7-pjrt"},
    {"oneapi", "jax-oneapi-pjrt"},
    {"tpu", "libtpu==0.0.52"},
}};

constexpr std::string_view kNoSuchFile = "no such file";

struct Folder {
  fs::path path;
  std::string source;
};

/// Lower case, with '_' for '-'.
std::string normal(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto at = text.find(separator);
    if (const auto part = text.substr(0, at); !part.empty()) parts.emplace_back(part);
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() != '*')
    return !name.empty() && pattern.front() == name.front() && matches(pattern.substr(1), name.substr(1));
  return matches(pattern.substr(1), name) || (!name.empty() && matches(pattern, name.substr(1)));
}

/// The existing paths that `pattern`, relative to `base`, stands for, sorted.
std::vector<fs::path> glob(const fs::path& base, const fs::path& pattern) {
  std::vector<fs::path> at{base};
  for (const fs::path& part : pattern) {
    std::vector<fs::path> next;
    for (const fs::path& folder : at) {
      std::error_code ec;
      if (part.native().find('*') == std::string::npos) {
        if (fs::exists(folder / part, ec)) next.push_back(folder / part);
        continue;
      }
      for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
        if (matches(part.native(), it->path().filename().native())) next.push_back(it->path());
    }
    std::sort(next.begin(), next.end());
    at = std::move(next);
  }
  return at;
}

std::string why_not(const fs::path& path) {
  std::error_code ec;
  const fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status))
    return ec && status.type() == fs::file_type::none ? ec.message() : std::string(kNoSuchFile);
  return fs::is_regular_file(status) ? "" : "not a regular file";
}

bool is_path(std::string_view request) {
  return request.find('/') != std::string_view::npos || (request.size() > 3 && request.ends_with(".so"));
}

bool wants(std::string_view request, const KnownPlugin& known) {
  const std::string name = normal(request);
  if (name.empty() || name == known.platform || name == normal(known.wheel)) return true;
  if (name == "gpu") return known.platform != "cpu" && known.platform != "tpu";
  const fs::path file(known.file);  // the Python module: the folder that holds the file
  return name == normal(file.parent_path().filename().native());
}

/// The platform that a free name such as "cuda" or "xla_cuda13" speaks of.
std::string platform_of(std::string_view name) {
  for (const KnownPlugin& known : kKnown)
    if (normal(name).find(known.platform) != std::string::npos) return std::string(known.platform);
  return {};
}

void add_python_folders(const SearchEnvironment& env, std::vector<Folder>& out) {
  const auto add = [&](const fs::path& base, const fs::path& pattern) {
    for (fs::path& path : glob(base, pattern)) out.push_back({std::move(path), "site-packages"});
  };
  for (const char* prefix : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const auto value = env.variable(prefix); value && !value->empty())
      add(*value, "lib/python3*/site-packages");
  if (const auto home = env.variable("HOME"); home && !home->empty()) {
    add(*home, ".local/lib/python3*/site-packages");
    const auto pyenv = env.variable("PYENV_ROOT");
    add(pyenv && !pyenv->empty() ? fs::path(*pyenv) : fs::path(*home) / ".pyenv",
        "versions/*/lib/python3*/site-packages");
  }
  add(env.root, "usr/local/lib/python3*/site-packages");
  add(env.root, "usr/local/lib/python3*/dist-packages");
  add(env.root, "usr/lib/python3/dist-packages");
  add(env.root, "usr/lib/python3*/site-packages");
}

std::vector<Folder> folders(const SearchEnvironment& env) {
  std::vector<Folder> out;
  if (const auto list = env.variable("ADDER_PLUGIN_PATH"))
    for (const std::string& path : split(*list, ':')) out.push_back({path, "ADDER_PLUGIN_PATH"});
  if (!env.executable_folder.empty()) {
    out.push_back({env.executable_folder / "plugins", "beside the program"});
    if (env.compile_only) out.push_back({env.executable_folder / "targets", "beside the program"});
    out.push_back({env.executable_folder.parent_path() / "lib" / "adder" / "plugins", "beside the program"});
  }
  add_python_folders(env, out);
  return out;
}

/// The file as pip lays it out, in a subfolder named after the wheel (perhaps with a version), or bare.
std::vector<fs::path> places(const fs::path& folder, const KnownPlugin& known) {
  const fs::path file(known.file);
  std::vector<fs::path> found = glob(folder, file);
  const auto add = [&](const fs::path& pattern) {
    for (fs::path& path : glob(folder, pattern)) found.push_back(std::move(path));
  };
  for (const std::string& wheel : {std::string(known.wheel), normal(known.wheel)}) {
    for (const std::string& name : {wheel, wheel + "-*"}) {
      add(fs::path(name) / file);
      add(fs::path(name) / file.filename());
    }
  }
  if (file.native().find('*') == std::string::npos) add(file.filename());
  return found;
}

void add_named(std::string_view request, const SearchEnvironment& env, std::vector<PluginCandidate>& out) {
  constexpr const char* kVariable = "PJRT_NAMES_AND_LIBRARY_PATHS";
  const auto list = env.variable(kVariable);
  if (!list) return;
  for (const std::string& entry : split(*list, ',')) {
    const auto colon = entry.find(':');
    if (colon == std::string::npos) {
      out.push_back({entry, "", "", kVariable, fmt::format("expected name:path, got \"{}\"", entry)});
      continue;
    }
    const std::string name = entry.substr(0, colon), path = entry.substr(colon + 1);
    const std::string platform = platform_of(name), wanted = normal(request);
    const bool is_gpu = platform == "cuda" || platform == "rocm" || platform == "oneapi";
    if (wanted.empty() || wanted == normal(name) || wanted == platform || (wanted == "gpu" && is_gpu))
      out.push_back({name, platform, path, kVariable, why_not(path)});
  }
}

}  // namespace

SearchEnvironment SearchEnvironment::system() {
  SearchEnvironment out;
  out.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
  std::error_code ec;
  out.executable_folder = fs::read_symlink("/proc/self/exe", ec).parent_path();
  return out;
}

std::vector<PluginCandidate> search_plugins(std::string_view request, const SearchEnvironment& environment) {
  if (is_path(request)) {
    const fs::path path(request);
    return {{path.filename().string(), platform_of(path.filename().string()), path, "path", why_not(path)}};
  }
  std::vector<PluginCandidate> found, missing;
  add_named(request, environment, found);
  std::set<fs::path> seen;
  for (const Folder& folder : folders(environment)) {
    for (const KnownPlugin& known : kKnown) {
      if (!wants(request, known)) continue;
      const std::string name(known.wheel), platform(known.platform);
      const auto files = places(folder.path, known);
      for (const fs::path& file : files)
        if (seen.insert(file).second) found.push_back({name, platform, file, folder.source, why_not(file)});
      if (files.empty())
        missing.push_back(
            {name, platform, folder.path / known.file, folder.source, std::string(kNoSuchFile)});
    }
  }
  found.insert(found.end(), std::make_move_iterator(missing.begin()), std::make_move_iterator(missing.end()));
  return found;
}

std::string describe(const std::vector<PluginCandidate>& candidates) {
  std::string out;
  for (const PluginCandidate& c : candidates)
    out +=
        fmt::format("  {} ({}) {}: {}\n", c.name, c.source, c.path.string(), c.found() ? "found" : c.failure);
  return out;
}

std::string install_line(std::string_view request) {
  std::string_view platform = "cpu";
  if (normal(request) == "gpu") platform = "cuda";
  for (const KnownPlugin& known : kKnown)
    if (!request.empty() && wants(request, known) && normal(request) != "gpu") {
      platform = known.platform;
      break;
    }
  for (const auto& [name, requirement] : kInstall)
    if (name == platform)
      return fmt::format(
          "python3 -m venv ~/adder-plugins && . ~/adder-plugins/bin/activate && pip install {}", requirement);
  return {};
}

Result<PluginCandidate> find_plugin(std::string_view request, const SearchEnvironment& environment,
                                    LogSink& sink) {
  const auto candidates = search_plugins(request, environment);
  for (const PluginCandidate& c : candidates)
    if (c.found()) return c;
  if (candidates.empty()) {
    std::string names;
    for (const KnownPlugin& known : kKnown)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known.wheel);
    return fail(
        ErrorCode::not_found, fmt::format("plugin \"{}\": no known plugin has this name", request),
        fmt::format("give a path, a platform (cpu, cuda, rocm, oneapi, tpu, gpu), or one of {}", names));
  }
  if (is_path(request))
    return fail(ErrorCode::not_found, fmt::format("plugin {}: {}", request, candidates.front().failure),
                "`adder devices` lists the plugins there are");
  std::set<std::string> names;
  std::string odd;
  for (const PluginCandidate& c : candidates) {
    log(sink, LogLevel::debug, "looked for {} ({}): {}: {}", c.name, c.source, c.path.string(), c.failure);
    names.insert(c.name);
    if (c.failure != kNoSuchFile)
      odd += fmt::format("; {}{}{}", c.path.string(), c.path.empty() ? "" : ": ", c.failure);
  }
  return fail(
      ErrorCode::not_found,
      fmt::format("plugin \"{}\": none found: looked for {} in {} places (-v lists them){}", request,
                  fmt::join(names, ", "), candidates.size(), odd),
      fmt::format("install one into a virtual environment: {}\nor give its .so file with --plugin, or "
                  "its folder in ADDER_PLUGIN_PATH",
                  install_line(request)));
}

}  // namespace adder::pjrt
