// pjrt::ExecutableCache::load on a file that somebody else wrote: as it is, then with the checksum that it
// asks for.

#include <filesystem>
#include <fstream>

#include "file.h"
#include "pjrt/executable_cache.h"

namespace {

using namespace adder;

/// As in make_seeds.py.
const pjrt::CacheKey kKey{"context", "program"};

/// A cache in memory, gone with the object.
struct Folder {
  std::string path = fuzz::scratch_path("cache");
  pjrt::ExecutableCache cache = pjrt::ExecutableCache::open(path).value();
  ~Folder() { std::filesystem::remove_all(path); }
};

void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  FUZZ_CHECK(static_cast<bool>(out));
}

void check(const Folder& folder, std::string_view bytes) {
  write(folder.cache.file_of(kKey), bytes);
  const std::optional<std::string> payload = folder.cache.load(kKey);
  if (!payload) return;
  FUZZ_CHECK(bytes.find(*payload) != bytes.npos);
  FUZZ_CHECK(!folder.cache.load({"context", "another program"}));
  FUZZ_CHECK(folder.cache.store(kKey, *payload).has_value());
  FUZZ_CHECK(folder.cache.load(kKey) == payload);
}

/// The file's last eight bytes as those of FNV-1a over the others.
std::string with_checksum(std::string_view bytes) {
  std::string out(bytes.substr(0, bytes.size() - 8));
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : out) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(hash >> (8 * i) & 0xff));
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const std::string_view bytes = fuzz::as_text(data, size);
  check(folder, bytes);
  if (size >= 8) check(folder, with_checksum(bytes));
  return 0;
}
