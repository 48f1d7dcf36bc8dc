#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_set>
#include <utility>

#include "formats/gguf_cursor.h"

namespace adder::formats {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kMaxAlignment = 1u << 20;
constexpr std::uint32_t kMaxTensorDims = 4;  // GGML_MAX_DIMS
constexpr std::int64_t kMaxDim = std::int64_t{1} << 48;

tl::unexpected<Error> corrupt(const GgufCursor& in, std::string what) {
  return fail(ErrorCode::corrupt, fmt::format("{}: {}", in.origin(), what));
}

Status read_preamble(GgufCursor& in, GgufContent& out) {
  ADDER_TRY(const std::span<const std::byte> magic, in.take(4, "the magic bytes"));
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), 4);
  if (text != kMagic)
    return fail(
        ErrorCode::corrupt,
        fmt::format("{}: expected the file to start with \"GGUF\", found {}", in.origin(), in_quotes(text)),
        "this is not a GGUF file");
  ADDER_TRY(out.version, in.number<std::uint32_t>("the version"));
  if (out.version == 2 || out.version == 3) return {};
  if (out.version != 0 && (out.version & 0xffff) == 0)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: version {:#010x}: this GGUF file is big endian; expected little endian",
                            in.origin(), out.version));
  return fail(out.version == 1 ? ErrorCode::unsupported : ErrorCode::corrupt,
              fmt::format("{}: GGUF version: expected 2 or 3, found {}", in.origin(), out.version));
}

Result<GgufType> read_type(GgufCursor& in, std::string_view what) {
  ADDER_TRY(const auto number, in.number<std::uint32_t>(what));
  if (number > static_cast<std::uint32_t>(GgufType::f64))
    return corrupt(in, fmt::format("{}: type: expected 0 to 12, found {}", what, number));
  return static_cast<GgufType>(number);
}

std::uint64_t width_of(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::s8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::s16:
      return 2;
    case GgufType::u32:
    case GgufType::s32:
    case GgufType::f32:
      return 4;
    default:
      return 8;
  }
}

// Advances past `count` elements. Strings and arrays take eight bytes each at least, so the work is bounded
// by the file's size whatever the counts say.
Status skip_elements(GgufCursor& in, GgufType type, std::uint64_t count, int depth, std::string_view what) {
  if (type == GgufType::array) {
    if (depth >= kMaxGgufArrayDepth)
      return corrupt(in, fmt::format("{}: arrays nested more than {} deep", what, kMaxGgufArrayDepth));
    for (std::uint64_t i = 0; i < count; ++i) {
      ADDER_TRY(const GgufType inner, read_type(in, what));
      ADDER_TRY(const auto inner_count, in.number<std::uint64_t>(what));
      ADDER_CHECK(skip_elements(in, inner, inner_count, depth + 1, what));
    }
    return {};
  }
  if (type == GgufType::string) {
    for (std::uint64_t i = 0; i < count; ++i) {
      auto text = in.string(what);
      if (!text) return fail(std::move(text).error());
    }
    return {};
  }
  if (count > in.left() / width_of(type))
    return corrupt(in, fmt::format("{}: {} elements of {} do not fit in the {} bytes left of the file", what,
                                   count, name(type), in.left()));
  ADDER_TRY(const std::span<const std::byte> bytes, in.take(count * width_of(type), what));
  if (type == GgufType::boolean &&
      std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return std::to_integer<int>(b) > 1; }))
    return corrupt(in, fmt::format("{}: expected a boolean, 0 or 1, found another byte", what));
  return {};
}

Result<GgufValue> read_value(GgufCursor& in, std::string_view what) {
  GgufValue value;
  ADDER_TRY(value.type, read_type(in, what));
  if (value.type == GgufType::string) {
    ADDER_TRY(const std::string_view text, in.string(what));
    value.bytes = std::as_bytes(std::span(text));
    return value;
  }
  if (value.type == GgufType::array) {
    value.is_array = true;
    ADDER_TRY(value.type, read_type(in, what));
    ADDER_TRY(value.count, in.number<std::uint64_t>(what));
  }
  const std::span<const std::byte> rest = in.rest();
  ADDER_CHECK(skip_elements(in, value.type, value.count, 1, what));
  value.bytes = rest.first(rest.size() - in.left());
  return value;
}

Result<std::string> read_name(GgufCursor& in, const std::string& what) {
  ADDER_TRY(const std::string_view text, in.string(what));
  if (text.empty() || text.size() > kMaxGgufName)
    return corrupt(
        in, fmt::format("{}: name: expected 1 to {} bytes, found {}", what, kMaxGgufName, text.size()));
  return std::string(text);
}

Status read_metadata(GgufCursor& in, std::uint64_t count, GgufContent& out) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ADDER_TRY(std::string key, read_name(in, fmt::format("key {} of {}", i + 1, count)));
    const std::string shown = "key " + in_quotes(key);
    ADDER_TRY(const GgufValue value, read_value(in, shown));
    if (!out.add(std::move(key), value)) return corrupt(in, shown + ": appears twice");
  }
  return {};
}

struct Placed {
  std::uint64_t offset = 0, size = 0;
};

Result<Dims> read_dims(GgufCursor& in, const std::string& shown) {
  ADDER_TRY(const auto rank, in.number<std::uint32_t>(shown));
  if (rank < 1 || rank > kMaxTensorDims)
    return corrupt(in, fmt::format("{}: expected 1 to {} dimensions, found {}", shown, kMaxTensorDims, rank));
  Dims dims(rank);
  for (std::int64_t& d : dims) {
    ADDER_TRY(const auto size, in.number<std::uint64_t>(shown));
    if (size < 1 || size > static_cast<std::uint64_t>(kMaxDim))
      return corrupt(in, fmt::format("{}: dimension: expected 1 to {}, found {}", shown, kMaxDim, size));
    d = static_cast<std::int64_t>(size);
  }
  std::reverse(dims.begin(), dims.end());
  return dims;
}

// Bytes of a tensor, by its type's blocks; an error if rows are not whole blocks or the number overflows.
Result<std::uint64_t> size_of(const GgufCursor& in, const GgufTensor& tensor, const std::string& shown) {
  const std::int64_t block = block_elements(tensor.type);
  if (tensor.dims.back() % block != 0)
    return corrupt(in, fmt::format("{}: {} rows are whole blocks of {} elements, found rows of {}", shown,
                                   ggml_type_name(tensor.type), block, tensor.dims.back()));
  auto elements = std::int64_t{1}, bytes = std::int64_t{0};
  for (const std::int64_t d : tensor.dims)
    if (__builtin_mul_overflow(elements, d, &elements) ||
        __builtin_mul_overflow(elements, std::int64_t{8}, &bytes))
      return corrupt(in, fmt::format("{}: {} overflows a 64-bit byte count", shown, to_string(tensor.dims)));
  return static_cast<std::uint64_t>(elements / block * block_bytes(tensor.type));
}

Status read_tensor(GgufCursor& in, GgufContent& out, std::vector<Placed>& places, const std::string& which) {
  GgufTensor tensor;
  ADDER_TRY(tensor.name, read_name(in, which));
  const std::string shown = "tensor " + in_quotes(tensor.name);
  ADDER_TRY(tensor.dims, read_dims(in, shown));
  ADDER_TRY(const auto number, in.number<std::uint32_t>(shown));
  const std::optional<GgmlType> type = parse_ggml_type(number);
  if (!type)
    return fail(ErrorCode::unsupported, fmt::format("{}: {}: type: expected one of {}, found {}", in.origin(),
                                                    shown, ggml_type_list(), ggml_type_name(number)));
  tensor.type = *type;
  Placed place;
  ADDER_TRY(place.size, size_of(in, tensor, shown));
  ADDER_TRY(place.offset, in.number<std::uint64_t>(shown));
  if (place.offset % out.alignment != 0)
    return corrupt(in, fmt::format("{}: offset: expected a multiple of {}, found {}", shown, out.alignment,
                                   place.offset));
  out.tensors.push_back(std::move(tensor));
  places.push_back(place);
  return {};
}

Status read_alignment(const GgufCursor& in, GgufContent& out) {
  const GgufValue* value = out.find("general.alignment");
  if (value == nullptr) return {};
  const Json json = to_json(*value);
  const bool ok = json.is_number_unsigned() && std::has_single_bit(json.get<std::uint64_t>()) &&
                  json.get<std::uint64_t>() <= kMaxAlignment;
  if (!ok)
    return corrupt(in, fmt::format("key \"general.alignment\": expected a power of two up to {}, found {}",
                                   kMaxAlignment, describe(json)));
  out.alignment = json.get<std::uint64_t>();
  return {};
}

Status refuse_split(const GgufCursor& in, const GgufContent& out) {
  const GgufValue* value = out.find("split.count");
  if (value == nullptr) return {};
  const Json json = to_json(*value);
  if (!json.is_number_integer() || json.get<std::int64_t>() <= 1) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{}: this is one of {} files of a split model; expected a whole one", in.origin(),
                          json.get<std::int64_t>()),
              "join them with llama-gguf-split --merge");
}

// Tensors may lie in any order and leave gaps, but not share bytes.
Status place_tensors(const GgufCursor& in, std::span<const std::byte> data, const std::vector<Placed>& places,
                     std::vector<GgufTensor>& tensors) {
  std::unordered_set<std::string_view> names;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Placed& p = places[i];
    const std::string shown = in_quotes(tensors[i].name);
    if (!names.insert(tensors[i].name).second)
      return corrupt(in, fmt::format("tensor {}: appears twice", shown));
    if (p.offset > data.size() || p.size > data.size() - p.offset)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: tensor {}: {} bytes at offset {} end beyond the data, which has {} bytes",
                              in.origin(), shown, p.size, p.offset, data.size()),
                  "the file may be an unfinished download; fetch it again");
    tensors[i].bytes = data.subspan(p.offset, p.size);
    order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return places[a].offset < places[b].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Placed &before = places[order[i - 1]], &after = places[order[i]];
    if (before.offset + before.size > after.offset)
      return corrupt(in, fmt::format("tensor {}: starts at offset {}, inside tensor {}, which ends at {}",
                                     in_quotes(tensors[order[i]].name), after.offset,
                                     in_quotes(tensors[order[i - 1]].name), before.offset + before.size));
  }
  return {};
}

}  // namespace

Result<GgufContent> parse_gguf(std::span<const std::byte> file, std::string_view origin) {
  GgufCursor in(file, origin);
  GgufContent out;
  ADDER_CHECK(read_preamble(in, out));
  ADDER_TRY(const auto tensors, in.number<std::uint64_t>("the number of tensors"));
  ADDER_TRY(const auto keys, in.number<std::uint64_t>("the number of keys"));
  ADDER_CHECK(read_metadata(in, keys, out));
  ADDER_CHECK(refuse_split(in, out));
  ADDER_CHECK(read_alignment(in, out));
  std::vector<Placed> places;
  for (std::uint64_t i = 0; i < tensors; ++i)
    ADDER_CHECK(read_tensor(in, out, places, fmt::format("tensor {} of {}", i + 1, tensors)));
  const std::uint64_t padding = (out.alignment - in.position() % out.alignment) % out.alignment;
  const std::span<const std::byte> rest = in.rest();
  const auto data = padding <= rest.size() ? rest.subspan(padding) : std::span<const std::byte>();
  ADDER_CHECK(place_tensors(in, data, places, out.tensors));
  return out;
}

}  // namespace adder::formats
