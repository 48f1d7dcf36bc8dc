#include "formats/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/json.h"

namespace adder::formats {
namespace {

// What libzip reads from. libzip does not tell where in the archive an entry's data lies, but this source
// sees it seek there.
struct MemorySource {
  std::span<const std::byte> bytes;
  std::uint64_t position = 0;
  std::uint64_t last_read = 0;  // where the latest read began
  zip_error_t error;
};

zip_int64_t read(MemorySource& source, void* out, std::uint64_t size) {
  const std::uint64_t n = std::min(size, source.bytes.size() - source.position);
  source.last_read = source.position;
  if (n > 0) std::memcpy(out, source.bytes.data() + source.position, n);
  source.position += n;
  return static_cast<zip_int64_t>(n);
}

zip_int64_t seek(MemorySource& source, void* data, std::uint64_t size) {
  const zip_int64_t to =
      zip_source_seek_compute_offset(source.position, source.bytes.size(), data, size, &source.error);
  if (to < 0) return -1;
  source.position = static_cast<std::uint64_t>(to);
  return 0;
}

zip_int64_t describe_source(const MemorySource& source, void* data, std::uint64_t size) {
  if (size < sizeof(zip_stat_t)) return -1;
  auto* stat = static_cast<zip_stat_t*>(data);
  zip_stat_init(stat);
  stat->size = source.bytes.size();
  stat->valid |= ZIP_STAT_SIZE;
  return sizeof(zip_stat_t);
}

// zip_source_callback
zip_int64_t serve(void* self, void* data, zip_uint64_t size, zip_source_cmd_t command) {
  auto& source = *static_cast<MemorySource*>(self);
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                            ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                            ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
    case ZIP_SOURCE_OPEN:
      source.position = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return read(source, data, size);
    case ZIP_SOURCE_SEEK:
      return seek(source, data, size);
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(source.position);
    case ZIP_SOURCE_STAT:
      return describe_source(source, data, size);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&source.error, data, size);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    default:
      zip_error_set(&source.error, ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

struct OwnedError {
  OwnedError() { zip_error_init(&error); }
  ~OwnedError() { zip_error_fini(&error); }
  zip_error_t error;
};

}  // namespace

struct ZipArchive::Handle {
  explicit Handle(std::span<const std::byte> bytes) {
    source.bytes = bytes;
    zip_error_init(&source.error);
  }
  ~Handle() {
    if (archive != nullptr) zip_discard(archive);
    zip_error_fini(&source.error);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  MemorySource source;
  zip_t* archive = nullptr;
};

Result<ZipArchive> ZipArchive::open(std::span<const std::byte> bytes, std::string_view origin) {
  auto handle = std::make_unique<Handle>(bytes);
  OwnedError error;
  zip_source_t* source = zip_source_function_create(serve, &handle->source, &error.error);
  if (source != nullptr) {
    handle->archive = zip_open_from_source(source, ZIP_RDONLY, &error.error);
    if (handle->archive == nullptr) zip_source_free(source);
  }
  if (handle->archive == nullptr)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: not a readable zip archive: {}", origin, zip_error_strerror(&error.error)),
                "the file may be an unfinished download; fetch it again");
  ZipArchive archive{std::string(origin), std::move(handle)};
  zip_t* const zip = archive.handle_->archive;
  const zip_int64_t count = zip_get_num_entries(zip, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(zip, static_cast<zip_uint64_t>(i), 0, &stat) != 0 || (stat.valid & ZIP_STAT_NAME) == 0)
      return fail(ErrorCode::corrupt, fmt::format("{}: zip entry {}: {}", origin, i, zip_strerror(zip)));
    const Entry entry{static_cast<std::uint64_t>(i), stat.size};
    if (!archive.entries_.emplace(stat.name, entry).second)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: two zip entries are called {}", origin, in_quotes(stat.name)));
  }
  return archive;
}

ZipArchive::ZipArchive(std::string origin, std::unique_ptr<Handle> handle)
    : origin_(std::move(origin)), handle_(std::move(handle)) {}
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;
ZipArchive::~ZipArchive() = default;

Result<std::span<const std::byte>> ZipArchive::stored(std::string_view name) const {
  const std::string where = fmt::format("{}: zip entry {}", origin_, in_quotes(name));
  const auto found = entries_.find(name);
  if (found == entries_.end()) return fail(ErrorCode::not_found, where + " is missing");
  zip_t* const zip = handle_->archive;
  zip_stat_t stat;
  if (zip_stat_index(zip, found->second.index, 0, &stat) != 0)
    return fail(ErrorCode::corrupt, fmt::format("{}: {}", where, zip_strerror(zip)));
  if (stat.comp_method != ZIP_CM_STORE || stat.encryption_method != ZIP_EM_NONE)
    return fail(ErrorCode::unsupported,
                fmt::format("{} is {}; expected it stored as it is", where,
                            stat.encryption_method != ZIP_EM_NONE ? "encrypted" : "compressed"),
                "torch.save compresses nothing: load the file and save it again with torch.save");
  if (stat.size == 0) return std::span<const std::byte>{};
  zip_file_t* const file = zip_fopen_index(zip, found->second.index, 0);
  std::byte first{};
  const zip_int64_t got = file != nullptr ? zip_fread(file, &first, 1) : -1;
  const std::uint64_t begin = handle_->source.last_read;
  const std::span<const std::byte> bytes = handle_->source.bytes;
  if (file != nullptr) zip_fclose(file);
  if (got != 1 || begin >= bytes.size() || stat.size > bytes.size() - begin || bytes[begin] != first)
    return fail(ErrorCode::corrupt,
                fmt::format("{} ({} bytes) reaches past the end of the archive", where, stat.size),
                "the file may be an unfinished download; fetch it again");
  return bytes.subspan(begin, stat.size);
}

}  // namespace adder::formats
