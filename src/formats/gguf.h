#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adder/error.h"
#include "base/json.h"
#include "base/shape.h"
#include "formats/ggml_types.h"

/// The container format of ggml (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little endian:
/// "GGUF", version, number of tensors, number of keys; the keys with typed values; name, dimensions, type and
/// offset of each tensor; padding to `general.alignment`; data. What a model's keys and tensors mean is
/// gguf_model.h's.
namespace adder::formats {

/// Types of values, as the format numbers them.
enum class GgufType : std::uint32_t {
  u8,
  s8,
  u16,
  s16,
  u32,
  s32,
  f32,
  boolean,
  string,
  array,
  u64,
  s64,
  f64
};
std::string_view name(GgufType type);  ///< "uint32", "array", ...

/// A value where it lies in the file. Everything it refers to has been checked to lie in the file.
struct GgufValue {
  GgufType type = GgufType::u8;  ///< for an array: of its elements
  bool is_array = false;
  std::uint64_t count = 1;           ///< elements of an array
  std::span<const std::byte> bytes;  ///< the scalar, a string without its length, or all elements
};

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::f32;
  Dims dims;                         ///< slowest first, as everywhere in Adder: the file's order reversed
  std::span<const std::byte> bytes;  ///< whole blocks
};

class GgufContent {
 public:
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  std::vector<GgufTensor> tensors;  ///< in file order

  const GgufValue* find(std::string_view key) const;
  /// Keys in file order.
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
  /// False if the key is there already.
  bool add(std::string key, GgufValue value);

 private:
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::unordered_map<std::string, std::size_t> index_;
};

inline constexpr int kMaxGgufArrayDepth = 4;
inline constexpr std::uint64_t kMaxGgufName = 65535;  ///< bytes in a key or a tensor's name

/// Parses and checks a whole file's bytes; `origin` names it in messages. The result points into `file`.
/// Every count, length and offset is checked against what is left of the file before it is believed; memory
/// used is proportional to keys and tensors actually present. Names are unique; tensors lie inside the data
/// section, aligned, and do not overlap. Errors: corrupt (naming file, key or tensor, expected, actual),
/// unsupported (version 1, big endian, a part of a split model, a tensor type that Adder does not read).
Result<GgufContent> parse_gguf(std::span<const std::byte> file, std::string_view origin);

/// A scalar as JSON; an array as an array of its first few elements. For messages and field readers.
Json to_json(const GgufValue& value);
/// All strings of an array of strings, in order. Precondition: value.is_array and type is string.
std::vector<std::string> string_list(const GgufValue& value);
/// All numbers of an array of integers of at most 32 bits; nullopt for anything else.
std::optional<std::vector<std::int64_t>> integer_list(const GgufValue& value);

}  // namespace adder::formats
