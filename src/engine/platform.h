#pragma once

#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "model/policy.h"
#include "pjrt/client.h"

namespace adder::engine {

/// What is chosen by platform: data, found by measuring or counting (docs/PERFORMANCE.md), never code in
/// `model`. A platform without a row gets this default: what is right everywhere.
struct PlatformPolicy {
  std::vector<std::string_view> platforms;  ///< what plugins call themselves, in lower case
  /// Options the client is created with.
  std::vector<pjrt::NamedValue> client_options;
  /// Whether a client takes "preallocate" (bool) and "memory_fraction" (float): XLA's GPU plugins do.
  bool has_memory_options = false;
  /// Told to the compiler with every program.
  pjrt::CompileOptions::Flags compile_flags;
  /// A loop whose length is not a constant runs as quickly as one whose length is: DecodeSpec::open.
  bool open_loops = false;
  /// Decode steps in one device call where nobody asks for another number; calls of slow models are shorter.
  std::int64_t block = 16;
  /// Weights lie in host memory that becomes the device's buffer, in the mapped file where it can be used as
  /// it is; elsewhere the host's copy is gone as soon as the device has its own.
  bool host_weights = false;
  /// How graphs are written.
  model::Policy model;
};

/// The row for "cpu", "cuda", ... as Client::platform_name gives it, in any case of letters.
const PlatformPolicy& platform_policy(std::string_view platform);

/// What to look at where a platform's plugin is there and its device is not; empty for one without a driver.
std::string_view device_hint(std::string_view platform);

/// For developers, who compare two ways on one device: `policy` changed by `text`, words separated by commas
/// and taken in order. A platform's name ("cuda", or "plain" for the default) takes that row's graphs, and
/// "chunk=64" sets one field: "cuda,split_in_proj=1". Errors: a word that is neither, with those that are.
Result<model::Policy> changed_policy(model::Policy policy, std::string_view text);

/// Creates a client with its platform's options. `platform` is what the plugin's name tells, empty if it does
/// not: then the CPU's options are tried, and left out if the plugin refuses them. `more` are options of the
/// caller's, which replace the platform's of the same name. Where it cannot be created the error's hint is
/// device_hint().
Result<pjrt::Client> create_client(const pjrt::Plugin& plugin, std::string_view platform,
                                   const std::vector<pjrt::NamedValue>& more = {});

/// Adds to `options` those of the platform's flags that a compiler knows: `compiles` says whether an empty
/// program compiles with them.
pjrt::CompileOptions with_known_flags(
    pjrt::CompileOptions options, std::string_view platform,
    const std::function<bool(std::string_view program, const pjrt::CompileOptions&)>& compiles);

/// How programs for `device` are compiled: with those of the platform's flags that this plugin knows, which
/// is found out by compiling an empty program with each.
pjrt::CompileOptions compile_options(const pjrt::Client& client, const pjrt::Device& device);

}  // namespace adder::engine
