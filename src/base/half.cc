#include "base/half.h"

#include <bit>
#include <cmath>
#include <cstddef>

namespace adder {
namespace {

// The kernels select instead of branching, so that the compiler can vectorise the loops over arrays.

constexpr std::uint32_t kSign = 0x8000'0000u, kInfinity = 0x7f80'0000u;

inline float widen_f16(std::uint16_t h) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(h & 0x7fffu) << 13;
  // Read with float32's exponent bias the value is 2^112 too small; the product is exact, subnormals
  // included.
  const std::uint32_t finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const std::uint32_t special = magnitude | kInfinity;
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  return std::bit_cast<float>(((h & 0x7c00u) == 0x7c00u ? special : finite) | sign);
}

inline float widen_bf16(std::uint16_t h) { return std::bit_cast<float>(static_cast<std::uint32_t>(h) << 16); }

// Upper payload bits of a NaN, with the quiet bit set only if nothing else would be left of it.
inline std::uint32_t narrow_nan(std::uint32_t payload, std::uint32_t quiet) {
  return payload != 0 ? payload : quiet;
}

inline std::uint16_t narrow_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & ~kSign;
  // Adding 1/2 aligns the mantissa so that the hardware's own rounding leaves the subnormal's bits at the
  // bottom.
  const std::uint32_t half = std::bit_cast<std::uint32_t>(0.5f);
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - half;
  // Rebias the exponent by -112 and round to even: carry out of the mantissa increments the exponent.
  const std::uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  std::uint32_t out = magnitude < 0x3880'0000u ? subnormal : normal;  // below 2^-14
  out = magnitude >= 0x477f'f000u ? 0x7c00u : out;                    // 65520 and up round to infinity
  const std::uint32_t nan = 0x7c00u | narrow_nan((magnitude >> 13) & 0x3ffu, 0x200u);
  out = magnitude > kInfinity ? nan : out;
  return static_cast<std::uint16_t>(out | ((bits & kSign) >> 16));
}

inline std::uint16_t narrow_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t nan = ((bits >> 16) & 0xff80u) | narrow_nan((bits >> 16) & 0x7fu, 0x40u);
  return static_cast<std::uint16_t>((bits & ~kSign) > kInfinity ? nan : rounded);
}

// Rounds to float32 "to odd": an inexact result gets its last bit set. With 13 or more bits to spare, a
// second rounding to nearest then gives what one rounding of the double would have given.
float round_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) bits -= 1;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

}  // namespace

float f16_to_f32(std::uint16_t bits) { return widen_f16(bits); }
float bf16_to_f32(std::uint16_t bits) { return widen_bf16(bits); }
std::uint16_t f32_to_f16(float value) { return narrow_f16(value); }
std::uint16_t f32_to_bf16(float value) { return narrow_bf16(value); }
std::uint16_t f64_to_f16(double value) { return narrow_f16(round_to_odd(value)); }
std::uint16_t f64_to_bf16(double value) { return narrow_bf16(round_to_odd(value)); }

void f16_to_f32(std::span<const std::uint16_t> in, std::span<float> out) {
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = widen_f16(in[i]);
}
void bf16_to_f32(std::span<const std::uint16_t> in, std::span<float> out) {
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = widen_bf16(in[i]);
}
void f32_to_f16(std::span<const float> in, std::span<std::uint16_t> out) {
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = narrow_f16(in[i]);
}
void f32_to_bf16(std::span<const float> in, std::span<std::uint16_t> out) {
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = narrow_bf16(in[i]);
}

}  // namespace adder
