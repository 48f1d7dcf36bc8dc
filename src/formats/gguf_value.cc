#include <array>
#include <bit>
#include <cstring>

#include "formats/gguf.h"
#include "formats/gguf_cursor.h"

namespace adder::formats {
namespace {

constexpr std::size_t kShownElements = 8;

std::uint64_t bits_of(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

std::size_t width_of(GgufType type) {
  constexpr std::array<std::size_t, 13> kWidths = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kWidths[static_cast<std::size_t>(type)];
}

Json scalar(GgufType type, std::span<const std::byte> bytes) {
  const std::uint64_t bits = bits_of(bytes.first(std::min<std::size_t>(bytes.size(), 8)));
  switch (type) {
    case GgufType::s8:
      return static_cast<std::int8_t>(bits);
    case GgufType::s16:
      return static_cast<std::int16_t>(bits);
    case GgufType::s32:
      return static_cast<std::int32_t>(bits);
    case GgufType::s64:
      return static_cast<std::int64_t>(bits);
    case GgufType::f32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case GgufType::f64:
      return std::bit_cast<double>(bits);
    case GgufType::boolean:
      return bits != 0;
    case GgufType::string:
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    default:
      return bits;
  }
}

}  // namespace

std::string_view name(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                       "int32",  "float32", "bool",   "string", "array",
                                                       "uint64", "int64",   "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

const GgufValue* GgufContent::find(std::string_view key) const {
  const auto it = index_.find(std::string(key));
  return it == index_.end() ? nullptr : &metadata_[it->second].second;
}

bool GgufContent::add(std::string key, GgufValue value) {
  if (!index_.emplace(key, metadata_.size()).second) return false;
  metadata_.emplace_back(std::move(key), value);
  return true;
}

Json to_json(const GgufValue& value) {
  if (!value.is_array) return scalar(value.type, value.bytes);
  Json list = Json::array();
  const std::size_t width = width_of(value.type);
  for (std::size_t i = 0; i < value.count && i < kShownElements; ++i)
    list.push_back(width == 0 ? Json() : scalar(value.type, value.bytes.subspan(i * width, width)));
  return list;
}

std::vector<std::string> string_list(const GgufValue& value) {
  std::vector<std::string> list;
  GgufCursor in(value.bytes, "");
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto text = in.string("");
    if (!text) break;
    list.emplace_back(*text);
  }
  return list;
}

std::optional<std::vector<std::int64_t>> integer_list(const GgufValue& value) {
  const bool small = value.type <= GgufType::s32;
  if (!value.is_array || !small) return std::nullopt;
  std::vector<std::int64_t> list;
  const std::size_t width = width_of(value.type);
  for (std::size_t i = 0; i < value.count; ++i)
    list.push_back(scalar(value.type, value.bytes.subspan(i * width, width)).get<std::int64_t>());
  return list;
}

}  // namespace adder::formats
