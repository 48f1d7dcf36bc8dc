#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/log.h"

namespace adder::pjrt {

/// What the search reads of the machine; injected so that tests need none of it.
struct SearchEnvironment {
  /// A variable's value, nullopt if unset.
  std::function<std::optional<std::string>(const std::string&)> variable;
  std::filesystem::path executable_folder;  ///< where the running program lies; empty if unknown
  std::filesystem::path root = "/";         ///< where the system's Python folders hang
  /// Look also in `targets` beside the running program: plugins that are there to compile with, for devices
  /// that are not.
  bool compile_only = false;

  /// The process's own.
  static SearchEnvironment system();
};

/// One file that the search looked for.
struct PluginCandidate {
  std::string name;      ///< the wheel, or the name given in PJRT_NAMES_AND_LIBRARY_PATHS
  std::string platform;  ///< "cpu", "cuda", ... as far as the name tells; empty if it does not
  std::filesystem::path path;
  std::string source;   ///< where the path comes from: "ADDER_PLUGIN_PATH", "site-packages", ...
  std::string failure;  ///< why it is not usable; empty where the file is there (it may still fail to load)
  bool found() const { return failure.empty(); }
};

/// Every file that `request` may mean, best first, with the ones that are not there. `request` is
/// - a path (it contains '/' or ends in .so): that file alone;
/// - a platform: cpu, cuda, rocm, tpu, oneapi, or gpu for any of the GPU ones;
/// - a wheel or module name, such as lammps-jax-pjrt-cpu or xla_cuda13 ('-' and '_' are the same, case is
/// not);
/// - a name from PJRT_NAMES_AND_LIBRARY_PATHS (name:path,...; JAX's variable);
/// - empty: any plugin.
///
/// Sources in order: PJRT_NAMES_AND_LIBRARY_PATHS; the folders of ADDER_PLUGIN_PATH (colon-separated);
/// `plugins` beside the running program, and ../lib/adder/plugins; Python's site-packages ($VIRTUAL_ENV,
/// $CONDA_PREFIX,
/// ~/.local, pyenv, /usr/local, /usr). In each folder a wheel may lie as pip installs it, or unpacked in a
/// subfolder named after it, or the bare .so. An earlier source beats a later one; within one folder, plugins
/// come in the order of preference of the known-plugin table. A CUDA plugin loads its libraries from the
/// `nvidia` folder beside it, so it is best left where pip put it. No Python is run and nothing is loaded.
std::vector<PluginCandidate> search_plugins(std::string_view request, const SearchEnvironment& environment);

/// The shell line that installs what `request` asks for into a virtual environment, where the search finds
/// it.
std::string install_line(std::string_view request);

/// The first candidate that is there. Error not_found says what was looked for and in how many places (`log`
/// is told each, at level debug), and its hint how to install one.
Result<PluginCandidate> find_plugin(std::string_view request, const SearchEnvironment& environment,
                                    LogSink& log = null_log());

/// "name  path: why not", a line for each candidate, for messages and `adder devices`.
std::string describe(const std::vector<PluginCandidate>& candidates);

}  // namespace adder::pjrt
