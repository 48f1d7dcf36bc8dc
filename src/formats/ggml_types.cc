#include "formats/ggml_types.h"

#include <fmt/format.h>

#include <array>

#include "base/half.h"

namespace adder::formats {
namespace {

// By number; empty where ggml removed a type.
constexpr std::array<std::string_view, 40> kNames = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   "",      "",      "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   "",      "",      "",       "TQ1_0", "TQ2_0", "",        "",       "",        "MXFP4"};

using Bytes = std::span<const std::byte>;

unsigned u8(Bytes bytes, std::size_t i) { return std::to_integer<unsigned>(bytes[i]); }
int s8(Bytes bytes, std::size_t i) { return static_cast<std::int8_t>(u8(bytes, i)); }
float half(Bytes bytes, std::size_t at) {
  return f16_to_f32(static_cast<std::uint16_t>(u8(bytes, at) | u8(bytes, at + 1) << 8));
}

void expand_q8_0(Bytes block, std::span<float> out) {
  const float d = half(block, 0);
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(s8(block, 2 + i)) * d;
}

void expand_q4_0(Bytes block, std::span<float> out) {
  const float d = half(block, 0);
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned pair = u8(block, 2 + i);
    out[i] = static_cast<float>(static_cast<int>(pair & 15) - 8) * d;
    out[i + 16] = static_cast<float>(static_cast<int>(pair >> 4) - 8) * d;
  }
}

// The six-bit scale and minimum of group g (0 to 7): groups 0-3 have theirs in the low six bits of bytes g
// and 4+g; groups 4-7 have four bits each in byte 4+g, and the upper two in the top bits of bytes g-4 and g.
struct ScaleMin {
  unsigned scale, min;
};
ScaleMin scale_min(Bytes packed, std::size_t g) {
  if (g < 4) return {u8(packed, g) & 63, u8(packed, g + 4) & 63};
  const unsigned low = u8(packed, g + 4);
  return {(low & 15) | u8(packed, g - 4) >> 6 << 4, low >> 4 | u8(packed, g) >> 6 << 4};
}

void expand_q4_k(Bytes block, std::span<float> out) {
  const float d = half(block, 0), dmin = half(block, 2);
  const Bytes scales = block.subspan(4, 12), nibbles = block.subspan(16, 128);
  for (std::size_t g = 0; g < 8; ++g) {
    const auto [scale, min] = scale_min(scales, g);
    const float step = d * static_cast<float>(scale), offset = dmin * static_cast<float>(min);
    const unsigned shift = g % 2 == 0 ? 0 : 4;
    for (std::size_t i = 0; i < 32; ++i) {
      // Two statements: a fused multiply-subtract would round once, the reference rounds twice.
      const float product = step * static_cast<float>(u8(nibbles, g / 2 * 32 + i) >> shift & 15);
      out[g * 32 + i] = product - offset;
    }
  }
}

// Each half of 128 elements has four runs of 32: runs 0 and 1 are the low nibbles of its 64 bytes, 2 and 3
// the high ones; run r has its upper bits at position 2r of the half's 32 bytes.
void expand_q6_k(Bytes block, std::span<float> out) {
  const Bytes low = block.first(128), high = block.subspan(128, 64), scales = block.subspan(192, 16);
  const float d = half(block, 208);
  for (std::size_t e = 0; e < 256; ++e) {
    const std::size_t part = e / 128, run = e % 128 / 32, i = e % 32;
    const unsigned nibble = u8(low, part * 64 + run % 2 * 32 + i) >> (run / 2 * 4) & 15;
    const unsigned upper = u8(high, part * 32 + i) >> (2 * run) & 3;
    const float step = d * static_cast<float>(s8(scales, e / 16));
    out[e] = step * static_cast<float>(static_cast<int>(nibble | upper << 4) - 32);
  }
}

}  // namespace

std::optional<GgmlType> parse_ggml_type(std::uint32_t number) {
  switch (static_cast<GgmlType>(number)) {
    case GgmlType::f32:
    case GgmlType::f16:
    case GgmlType::q4_0:
    case GgmlType::q8_0:
    case GgmlType::q4_k:
    case GgmlType::q6_k:
    case GgmlType::bf16:
      return static_cast<GgmlType>(number);
  }
  return std::nullopt;
}

std::string ggml_type_name(std::uint32_t number) {
  if (number < kNames.size() && !kNames[number].empty()) return std::string(kNames[number]);
  return fmt::format("type {}", number);
}

std::string_view ggml_type_list() { return "F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q6_K"; }

std::int64_t block_elements(GgmlType type) {
  switch (type) {
    case GgmlType::q4_0:
    case GgmlType::q8_0:
      return 32;
    case GgmlType::q4_k:
    case GgmlType::q6_k:
      return 256;
    default:
      return 1;
  }
}

std::int64_t block_bytes(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return 4;
    case GgmlType::f16:
    case GgmlType::bf16:
      return 2;
    case GgmlType::q4_0:
      return 2 + 16;
    case GgmlType::q8_0:
      return 2 + 32;
    case GgmlType::q4_k:
      return 2 + 2 + 12 + 128;
    case GgmlType::q6_k:
      return 128 + 64 + 16 + 2;
  }
  return 0;
}

DType element_dtype(GgmlType type) {
  if (type == GgmlType::f16) return DType::f16;
  if (type == GgmlType::bf16) return DType::bf16;
  return DType::f32;
}

void dequantise_block(GgmlType type, std::span<const std::byte> block, std::span<float> out) {
  switch (type) {
    case GgmlType::q8_0:
      return expand_q8_0(block, out);
    case GgmlType::q4_0:
      return expand_q4_0(block, out);
    case GgmlType::q4_k:
      return expand_q4_k(block, out);
    case GgmlType::q6_k:
      return expand_q6_k(block, out);
    default:
      return;
  }
}

}  // namespace adder::formats
