#include "pjrt/executable_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>

#include "base/descriptor_io.h"
#include "base/files.h"
#include "base/leftovers.h"
#include "pjrt/client_state.h"

namespace adder::pjrt {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMagic = "ADDERPJX";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 8 + 4 + 4 + 3 * 8;
constexpr std::size_t kChecksumBytes = 8;

constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325u, kFnvPrime = 0x100000001b3u;
std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = kFnvBasis) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return hash;
}

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}
std::uint64_t get(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string encode(const CacheKey& key, std::string_view payload) {
  std::string out(kMagic);
  put(out, kVersion, 4);
  put(out, 0, 4);
  for (std::size_t size : {key.context.size(), key.program.size(), payload.size()}) put(out, size, 8);
  out.append(key.context).append(key.program).append(payload);
  put(out, fnv1a(out), 8);
  return out;
}

/// The payload of a file's bytes if they are whole, of this version, and of this key.
std::optional<std::string> decode(std::string_view file, const CacheKey& key) {
  if (file.size() < kHeaderBytes + kChecksumBytes || !file.starts_with(kMagic)) return std::nullopt;
  if (get(file.substr(8, 4)) != kVersion) return std::nullopt;
  if (get(file.substr(16, 8)) != key.context.size() || get(file.substr(24, 8)) != key.program.size())
    return std::nullopt;
  const std::size_t key_bytes = key.context.size() + key.program.size();
  const std::size_t room = file.size() - kHeaderBytes - kChecksumBytes;
  const std::uint64_t payload = get(file.substr(32, 8));
  if (room < key_bytes || payload != room - key_bytes) return std::nullopt;
  const std::string_view body = file.substr(0, file.size() - kChecksumBytes);
  if (get(file.substr(body.size())) != fnv1a(body)) return std::nullopt;
  if (file.substr(kHeaderBytes, key.context.size()) != key.context) return std::nullopt;
  if (file.substr(kHeaderBytes + key.context.size(), key.program.size()) != key.program) return std::nullopt;
  return std::string(body.substr(kHeaderBytes + key_bytes));
}

constexpr std::string_view kSuffix = ".adderx", kUnfinished = "tmp";

/// The folder's entries and what they take. What cannot be looked at is left out: somebody else is pruning.
struct Entry {
  fs::path path;
  std::uint64_t bytes = 0;
  fs::file_time_type used;
};
std::vector<Entry> entries_of(const fs::path& folder) {
  std::vector<Entry> out;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    std::error_code gone;
    if (at->path().extension() != kSuffix || !at->is_regular_file(gone)) continue;
    Entry entry{at->path(), at->file_size(gone), at->last_write_time(gone)};
    if (!gone) out.push_back(std::move(entry));
  }
  return out;
}

/// What decides on a program for any device of one kind.
std::string device_context(const Plugin& plugin, std::string_view platform, std::string_view kind,
                           const CompileOptions& options) {
  std::string hex;
  for (const char c : options.encode_key()) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  std::string out = fmt::format("plugin: {}\nplatform: {}\ndevice: {}\ncompile options: {}\n",
                                plugin.content(), platform, kind, hex);
  for (const char* variable : {"XLA_FLAGS", "LIBTPU_INIT_ARGS"}) {
    const char* value = std::getenv(variable);
    out += fmt::format("{}: {}\n", variable, value != nullptr ? value : "");
  }
  return out;
}

}  // namespace

std::uint64_t CacheKey::hash() const {
  // The separator keeps ("ab", "c") and ("a", "bc") apart.
  return fnv1a(program, fnv1a(std::string_view("\0", 1), fnv1a(context)));
}

std::string cpu_identity(std::string_view cpuinfo) {
  // x86 names, then Arm's.
  constexpr std::array<std::string_view, 9> kFields{"vendor_id", "model name",      "cpu family",
                                                    "model",     "flags",           "Features",
                                                    "CPU part",  "CPU implementer", "CPU variant"};
  std::string out;
  while (!cpuinfo.empty()) {
    const std::string_view line = cpuinfo.substr(0, cpuinfo.find('\n'));
    cpuinfo.remove_prefix(std::min(line.size() + 1, cpuinfo.size()));
    if (line.empty()) break;  // the next processor
    const std::string_view before = line.substr(0, line.find(':'));
    const std::string_view field = before.substr(0, before.find_last_not_of(" \t") + 1);
    for (std::string_view wanted : kFields)
      if (field == wanted) out.append(line).push_back('\n');
  }
  return out;
}

CacheKey make_cache_key(const Client& client, std::string_view program, const CompileOptions& options) {
  const ClientState& state = *client.state();
  std::string context =
      device_context(client.plugin(), state.platform_name, state.devices.front().kind, options);
  // Of other devices' programs nothing is compiled for the host, nor do client options change them.
  if (state.platform_name == "cpu")
    context +=
        fmt::format("client options: {}\nthreads: {}\n{}", state.options, std::thread::hardware_concurrency(),
                    cpu_identity(read_regular_file("/proc/cpuinfo").value_or("")));
  return {.context = std::move(context), .program = std::string(program)};
}

CacheKey make_cache_key(const Topology& topology, std::string_view program, const CompileOptions& options) {
  const std::vector<std::string>& kinds = topology.device_kinds();
  return {.context = device_context(topology.plugin(), topology.platform_name(),
                                    kinds.empty() ? std::string() : kinds.front(), options),
          .program = std::string(program)};
}

Result<ExecutableCache> ExecutableCache::open(fs::path folder, std::uint64_t limit) {
  std::error_code ec;
  if (fs::create_directories(folder, ec)) fs::permissions(folder, fs::perms::owner_all, ec);
  if (ec || !fs::is_directory(folder, ec))
    return fail(ErrorCode::failed_precondition,
                fmt::format("executable cache {}: {}", folder.string(), ec ? ec.message() : "not a folder"),
                "name another folder, or do without the cache");
  return ExecutableCache(std::move(folder), limit);
}

fs::path ExecutableCache::file_of(const CacheKey& key) const {
  return folder_ / fmt::format("{:016x}{}", key.hash(), kSuffix);
}

std::optional<std::string> ExecutableCache::load(const CacheKey& key) const {
  const fs::path path = file_of(key);
  const auto bytes = read_regular_file(path);
  auto payload = bytes ? decode(*bytes, key) : std::nullopt;
  std::error_code ignored;  // a folder that may only be read is as good
  if (payload) fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return payload;
}

void ExecutableCache::prune(const fs::path& newest) const {
  if (limit_ == 0) return;
  std::vector<Entry> entries = entries_of(folder_);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used > b.used; });
  std::error_code ignored;
  std::uint64_t total = fs::file_size(newest, ignored);
  for (const Entry& entry : entries) {
    if (entry.path == newest) continue;
    total += entry.bytes;
    if (total > limit_) fs::remove(entry.path, ignored);
  }
}

Status ExecutableCache::store(const CacheKey& key, std::string_view payload) const {
  const fs::path path = file_of(key);
  const auto give_up = [&](std::string_view what) {
    return fail(ErrorCode::resource_exhausted, fmt::format("executable cache {}: {}", path.string(), what));
  };
  const std::string own = path.filename().string();
  sweep_leftovers(folder_, own, kUnfinished);
  auto file = make_unfinished_file(folder_, own, kUnfinished);
  if (!file) return give_up(file.error().message);
  // Not AtomicFile: what a crash of the machine spoils is a miss, which is cheaper than to wait for the disk.
  std::error_code failure(write_fully(file->lock.get(), encode(key, payload)), std::generic_category());
  if (!failure) fs::rename(file->path, path, failure);
  if (failure) {
    std::error_code ignored;
    fs::remove(file->path, ignored);
    return give_up(failure.message());
  }
  prune(path);
  return {};
}

Result<CachedExecutable> compile_cached(const Client& client, std::string_view program,
                                        const CompileOptions& options, const ExecutableCache* cache) {
  std::optional<CacheKey> key;
  if (cache != nullptr) {
    key = make_cache_key(client, program, options);
    if (const auto payload = cache->load(*key)) {
      if (auto loaded = client.load(*payload, program)) {
        client.state()->stats.count_cache_hit();
        return CachedExecutable{std::move(*loaded), true, std::nullopt};
      }
    }
  }
  ADDER_TRY(auto compiled, client.compile(program, options));
  CachedExecutable out{std::move(compiled), false, std::nullopt};
  if (key) {
    auto payload = out.executable.serialize();
    Status stored = payload ? cache->store(*key, *payload) : Status(fail(std::move(payload).error()));
    if (!stored) out.not_stored = std::move(stored).error();
  }
  return out;
}

}  // namespace adder::pjrt
