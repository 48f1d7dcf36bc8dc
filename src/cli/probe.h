#pragma once

#include <chrono>
#include <filesystem>

#include "cli/console.h"

namespace adder::cli {

/// Loads a plugin, starts its runtime as a model's run would (see engine::create_client; `platform` is what
/// the plugin's name tells) and says what it found: {api_version, platform, platform_version, devices
/// [{index, id, kind, description, memory_bytes?}]}, or {failure, hint?} alone. In a child process, so that a
/// library that crashes, hangs or is no plugin takes nothing down with it, and so that plugins do not meet.
/// Call while the process has one thread.
OrderedJson probe_plugin(const std::filesystem::path& path, std::string_view platform, bool verbose,
                         std::chrono::seconds patience);

}  // namespace adder::cli
