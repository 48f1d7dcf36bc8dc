#pragma once

#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "pjrt/client.h"

namespace adder::engine {

/// What is chosen by platform: data, found by measuring (docs/PERFORMANCE.md), never code in `model`.
struct PlatformPolicy {
  std::string_view platform;
  /// Options the client is created with.
  std::vector<pjrt::NamedValue> client_options;
  /// How one-row products are spelled where nothing was measured: names of model::spellings() by weight type.
  std::map<DType, std::string_view> spelling;
  /// Told to the compiler with every program.
  pjrt::CompileOptions::Flags compile_flags;
  /// model::Policy::int8_activations.
  bool int8_activations = false;
};

/// The row for "cpu", "cuda", ...; an empty one for a platform without choices.
const PlatformPolicy& platform_policy(std::string_view platform);

/// Creates a client with its platform's options. `platform` is what the plugin's name tells, empty if it does
/// not: then the CPU's options are tried, and left out if the plugin refuses them.
Result<pjrt::Client> create_client(const pjrt::Plugin& plugin, std::string_view platform);

/// Adds to `options` those of the platform's flags that a compiler knows: `compiles` says whether an empty
/// program compiles with them.
pjrt::CompileOptions with_known_flags(
    pjrt::CompileOptions options, std::string_view platform,
    const std::function<bool(std::string_view program, const pjrt::CompileOptions&)>& compiles);

/// How programs for `device` are compiled: with those of the platform's flags that this plugin knows, which
/// is found out by compiling an empty program with each.
pjrt::CompileOptions compile_options(const pjrt::Client& client, const pjrt::Device& device);

}  // namespace adder::engine
