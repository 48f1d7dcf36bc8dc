#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/console.h"
#include "engine/engine.h"
#include "measure/limits.h"

// What a measurement was made on and with: for `bench`, its suite, and `devices`.
namespace adder::cli {

/// The machine that the program runs on.
struct Host {
  std::string cpu;  ///< the processor's name, or else the architecture's
  unsigned threads = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t cache_bytes = 0;  ///< of the last level; 0 where the system does not say
  std::string system;            ///< "Linux 6.1 x86_64"

  static Host current();
};

/// {cpu, threads, memory_bytes, system}
OrderedJson to_json(const Host& host);

/// {plugin, platform, api_version, kind}: what a model runs on.
OrderedJson device_json(const engine::Engine& engine);

/// {read_gb_s, gemm_gflop_s}, and gemm_bf16_gflop_s where that was measured.
OrderedJson to_json(const measure::Limits& machine);

/// What to call the model that was given as `given` and opened from `directory`: ORG/NAME for one of the
/// Hugging Face cache, whichever way it was named, else the folder's or file's own name.
std::string model_name(const std::filesystem::path& given, const std::filesystem::path& directory);

/// The commit that this was built from, as `git describe` gives it; empty outside a git checkout.
std::string build_commit();

}  // namespace adder::cli
