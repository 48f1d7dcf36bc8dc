#include "base/content_hash.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace adder {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostRemembered = 256;

/// One line that changes when the file does.
std::string identity(const fs::path& file) {
  struct ::stat s {};
  if (::stat(file.c_str(), &s) != 0) return {};
  return fmt::format("{} {} {} {}.{:09} {}.{:09}", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec,
                     s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

Json read_memory(const fs::path& memory) {
  std::error_code ignored;
  if (memory.empty() || !fs::is_regular_file(memory, ignored)) return Json::object();
  auto json = read_json_file(memory);
  return json && json->is_object() ? *std::move(json) : Json::object();
}

}  // namespace

std::uint64_t content_hash(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 32;
  };
  const std::size_t size = bytes.size();
  for (; !bytes.empty(); bytes = bytes.subspan(std::min<std::size_t>(8, bytes.size()))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min<std::size_t>(8, bytes.size()));
    add(word);
  }
  add(size);
  return hash;
}

Result<std::string> content_hash(const fs::path& file, const fs::path& memory) {
  std::error_code ec;
  const fs::path path = fs::absolute(file, ec);
  const std::string key = (ec ? file : path).string(), now = identity(file);
  Json known = read_memory(memory);
  if (const auto found = known.find(key);
      found != known.end() && found->is_object() && found->value("identity", Json()) == now && !now.empty())
    if (const Json hash = found->value("hash", Json()); hash.is_string()) return hash.get<std::string>();

  ADDER_TRY(const MappedFile mapped, MappedFile::open(file));
  mapped.advise(mapped.bytes(), Advice::sequential);
  const std::string hash = fmt::format("{:016x}", content_hash(mapped.bytes()));
  if (memory.empty() || now != identity(file)) return hash;  // being written: true of this moment alone
  if (known.size() >= kMostRemembered) known = Json::object();
  known[key] = {{"identity", now}, {"hash", hash}};
  const std::string text = known.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  // A memory that cannot be written is no reason to fail.
  (void)write_atomically(memory, [&](AtomicFile& to) { return to.write(std::string_view(text)); });
  return hash;
}

}  // namespace adder
