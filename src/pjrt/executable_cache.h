#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "adder/error.h"
#include "pjrt/client.h"
#include "pjrt/compile_options.h"
#include "pjrt/executable.h"
#include "pjrt/topology.h"

namespace adder::pjrt {

/// All that decides what the compiler produces. Compared in full on a hit; the hash only names the file.
struct CacheKey {
  std::string context;  ///< plugin, platform, device, compile options and what else decides
  std::string program;  ///< the whole text

  /// 64-bit FNV-1a over both.
  std::uint64_t hash() const;
};

/// The processor's model and feature flags from the text of /proc/cpuinfo (its first processor), and nothing
/// of it that changes from boot to boot. XLA's CPU code is compiled for exactly those.
std::string cpu_identity(std::string_view cpuinfo);

/// The key for compiling `program` for the client's first device: the plugin's content, the platform, the
/// device's kind, the options, and the variables that compilers read. Where the device is this machine's own
/// processor, also cpu_identity(), the number of threads and the client's options.
CacheKey make_cache_key(const Client& client, std::string_view program, const CompileOptions& options);
/// The same without the device: equal to what a machine with it makes, if it has the same plugin.
CacheKey make_cache_key(const Topology& topology, std::string_view program, const CompileOptions& options);

/// What a cache may grow to unless told otherwise. A program of a small model takes some hundred kB to a few
/// MB.
inline constexpr std::uint64_t kDefaultCacheLimit = std::uint64_t{4} << 30;

/// Serialised executables in a folder, one file each: `<hash>.adderx`. A cache is never a reason to fail: a
/// file that is missing, damaged, of another version or of another key is a miss, and is replaced; what is no
/// regular file is a miss too. When they take more than the limit, the ones used least recently go, by the
/// time of modification, which load() sets; deleting the folder is safe at any time. File, little endian:
/// "ADDERPJX", u32 version, u32 zero, u64 sizes of context, program and payload, the three themselves, u64
/// FNV-1a of everything before. Files are trusted once their checksum and key agree, since a plugin runs what
/// they hold: the folder must be writable by its user alone, which is how open() makes a new one. Thread
/// rule: const members may be called from any thread, and several processes may share the folder: files
/// appear by rename, whole or not at all.
class ExecutableCache {
 public:
  /// Makes `folder`, with mode 0700, if it is not there. Error if that fails. `limit`: bytes; 0: none.
  static Result<ExecutableCache> open(std::filesystem::path folder, std::uint64_t limit = kDefaultCacheLimit);

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path file_of(const CacheKey& key) const;
  /// The payload stored under `key`, which is then the one used last; nullopt for a miss.
  std::optional<std::string> load(const CacheKey& key) const;
  /// Stores, then prunes. Error: the system's reason; a former entry is untouched then.
  Status store(const CacheKey& key, std::string_view payload) const;

 private:
  ExecutableCache(std::filesystem::path folder, std::uint64_t limit)
      : folder_(std::move(folder)), limit_(limit) {}
  /// Keeps `newest`, and of the others those used last that fit the limit.
  void prune(const std::filesystem::path& newest) const;

  std::filesystem::path folder_;
  std::uint64_t limit_;
};

struct CachedExecutable {
  Executable executable;
  bool hit = false;  ///< loaded from the cache: nothing was compiled
  /// Why a fresh executable was not stored (no serialisation, disk full); for the log only.
  std::optional<Error> not_stored;
};

/// Compiles through the cache; `cache` may be null. A payload that the plugin refuses is recompiled and
/// replaced.
Result<CachedExecutable> compile_cached(const Client& client, std::string_view program,
                                        const CompileOptions& options, const ExecutableCache* cache);

}  // namespace adder::pjrt
