#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "base/json.h"
#include "formats/safetensors_dtype.h"

namespace adder::formats {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::string_view kTruncatedHint = "the file may be an unfinished download; fetch it again";

tl::unexpected<Error> corrupt(std::string_view origin, std::string message, std::string_view hint = {}) {
  return fail(ErrorCode::corrupt, fmt::format("{}: {}", origin, message), std::string(hint));
}

std::uint64_t read_u64(std::span<const std::byte, 8> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

Result<std::string_view> header_text(std::span<const std::byte> file, std::string_view origin) {
  if (file.size() < 8)
    return corrupt(origin, fmt::format("expected 8 bytes of header size, the file has {} bytes", file.size()),
                   kTruncatedHint);
  const std::uint64_t size = read_u64(file.first<8>());
  if (size > kMaxSafetensorsHeader)
    return corrupt(origin, fmt::format("header size {}; expected at most {}", size, kMaxSafetensorsHeader),
                   "this may not be a safetensors file");
  if (size > file.size() - 8)
    return corrupt(
        origin, fmt::format("header size {}, but only {} bytes follow it in the file", size, file.size() - 8),
        kTruncatedHint);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, static_cast<std::size_t>(size));
  if (!text.starts_with('{')) return corrupt(origin, "the header does not start with \"{\"");
  return text;
}

Result<DType> parse_element_type(const Json& entry, std::string_view origin, const std::string& tensor) {
  const auto field = entry.find("dtype");
  if (field == entry.end() || !field->is_string())
    return corrupt(origin, fmt::format("tensor {}: dtype: expected a string, found {}", tensor,
                                       field == entry.end() ? "nothing" : describe(*field)));
  const auto& name = field->get_ref<const std::string&>();
  if (const std::optional<DType> dtype = parse_safetensors_dtype(name)) return *dtype;
  const bool known = is_other_safetensors_dtype(name);
  return fail(known ? ErrorCode::unsupported : ErrorCode::corrupt,
              fmt::format("{}: tensor {}: dtype {} {}", origin, tensor, in_quotes(name),
                          known ? "is not supported" : "is not one that safetensors has"),
              "expected one of " + safetensors_dtype_list());
}

Result<Dims> parse_dims(const Json& entry, std::string_view origin, const std::string& tensor) {
  const auto field = entry.find("shape");
  if (field == entry.end() || !field->is_array())
    return corrupt(origin, fmt::format("tensor {}: shape: expected an array, found {}", tensor,
                                       field == entry.end() ? "nothing" : describe(*field)));
  constexpr std::uint64_t kMax = std::uint64_t{1} << 62;
  Dims dims;
  for (const Json& d : *field) {
    if (!d.is_number_unsigned() || d.get<std::uint64_t>() > kMax)
      return corrupt(origin, fmt::format("tensor {}: shape: expected sizes of 0 or more, found {}", tensor,
                                         describe(d)));
    dims.push_back(d.get<std::int64_t>());
  }
  return dims;
}

// Bytes of a dense tensor; nullopt if the number does not fit the 63 bits in which Shape counts. Any partial
// product may overflow even where a later dimension is 0, which the reference implementation refuses as well.
std::optional<std::uint64_t> checked_bytes(const Shape& shape) {
  std::int64_t n = byte_size(shape.dtype);
  for (const std::int64_t d : shape.dims)
    if (__builtin_mul_overflow(n, d, &n)) return std::nullopt;
  return static_cast<std::uint64_t>(n);
}

struct Entry {
  std::string name;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

Result<Entry> parse_entry(const std::string& name, const Json& json, std::string_view origin) {
  const std::string shown = in_quotes(name);
  if (!json.is_object())
    return corrupt(origin, fmt::format("tensor {}: expected an object, found {}", shown, describe(json)));
  Entry entry{.name = name, .shape = {}};
  ADDER_TRY(entry.shape.dtype, parse_element_type(json, origin, shown));
  ADDER_TRY(entry.shape.dims, parse_dims(json, origin, shown));
  const auto field = json.find("data_offsets");
  const bool pair = field != json.end() && field->is_array() && field->size() == 2 &&
                    (*field)[0].is_number_unsigned() && (*field)[1].is_number_unsigned();
  if (!pair)
    return corrupt(origin,
                   fmt::format("tensor {}: data_offsets: expected two numbers of 0 or more, found {}", shown,
                               field == json.end() ? "nothing" : field->dump().substr(0, 100)));
  entry.begin = (*field)[0].get<std::uint64_t>();
  entry.end = (*field)[1].get<std::uint64_t>();
  if (entry.end < entry.begin)
    return corrupt(
        origin, fmt::format("tensor {}: data_offsets [{},{}] run backwards", shown, entry.begin, entry.end));
  const std::optional<std::uint64_t> bytes = checked_bytes(entry.shape);
  if (!bytes)
    return corrupt(origin,
                   fmt::format("tensor {}: {} overflows a 64-bit byte count", shown, to_string(entry.shape)));
  if (*bytes != entry.end - entry.begin)
    return corrupt(
        origin, fmt::format("tensor {}: {} needs {} bytes, data_offsets [{},{}] hold {}", shown,
                            to_string(entry.shape), *bytes, entry.begin, entry.end, entry.end - entry.begin));
  return entry;
}

// Tensors must follow one another from 0 to the end of the file.
Status check_layout(std::vector<Entry>& entries, std::uint64_t data_size, std::string_view origin) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    if (e.end > data_size)
      return corrupt(
          origin,
          fmt::format("tensor {}: data_offsets [{},{}] are out of range, the file has {} bytes of data",
                      in_quotes(e.name), e.begin, e.end, data_size),
          kTruncatedHint);
    if (e.begin < at)
      return corrupt(origin,
                     fmt::format("tensor {}: data_offsets [{},{}] overlap tensor {}, which ends at {}",
                                 in_quotes(e.name), e.begin, e.end, in_quotes(entries[i - 1].name), at));
    if (e.begin > at)
      return corrupt(origin,
                     fmt::format("tensor {}: data_offsets [{},{}] leave a gap; expected to start at {}",
                                 in_quotes(e.name), e.begin, e.end, at));
    at = e.end;
  }
  if (at != data_size)
    return corrupt(origin,
                   fmt::format("{} bytes follow the last tensor; expected the data to end at {}, found {}",
                               data_size - at, at, data_size));
  return {};
}

Result<Metadata> parse_metadata(const Json& json, std::string_view origin) {
  if (!json.is_object())
    return corrupt(origin, fmt::format("{}: expected an object, found {}", kMetadataKey, describe(json)));
  Metadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      return corrupt(origin, fmt::format("{}.{}: expected a string, found {}", kMetadataKey, in_quotes(key),
                                         describe(value)));
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

}  // namespace

Result<SafetensorsContent> parse_safetensors(std::span<const std::byte> file, std::string_view origin) {
  ADDER_TRY(const std::string_view text, header_text(file, origin));
  const std::string where = fmt::format("{} (header)", origin);
  ADDER_TRY(const Json header, parse_json(text, where, {.max_depth = 8, .reject_duplicate_keys = true}));
  SafetensorsContent content;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadataKey) {
      ADDER_TRY(content.metadata, parse_metadata(json, origin));
      continue;
    }
    ADDER_TRY(Entry entry, parse_entry(name, json, origin));
    entries.push_back(std::move(entry));
  }
  const std::span<const std::byte> data = file.subspan(8 + text.size());
  ADDER_CHECK(check_layout(entries, data.size(), origin));
  for (Entry& e : entries)
    content.tensors.push_back({.name = std::move(e.name),
                               .shape = std::move(e.shape),
                               .bytes = data.subspan(e.begin, e.end - e.begin),
                               .file = std::string(origin)});
  return content;
}

Result<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open(const std::filesystem::path& path) {
  ADDER_TRY(MappedFile file, MappedFile::open(path));
  ADDER_TRY(SafetensorsContent content, parse_safetensors(file.bytes(), path.string()));
  return std::unique_ptr<SafetensorsFile>(new SafetensorsFile(std::move(file), std::move(content)));
}

SafetensorsFile::SafetensorsFile(MappedFile file, SafetensorsContent content)
    : file_(std::make_shared<MappedFile>(std::move(file))), content_(std::move(content)) {
  for (std::size_t i = 0; i < content_.tensors.size(); ++i) by_name_.emplace(content_.tensors[i].name, i);
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &content_.tensors[it->second];
}

void SafetensorsFile::release(const TensorView& view) const { file_->advise(view.bytes, Advice::dont_need); }

std::shared_ptr<const std::byte> SafetensorsFile::share(const TensorView& view) const {
  return {file_, view.bytes.data()};
}

}  // namespace adder::formats
