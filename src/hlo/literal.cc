#include "hlo/literal.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "hlo/infer_checks.h"

static_assert(std::endian::native == std::endian::little, "constants are written in host order");

namespace adder::hlo {
namespace {

std::string low_bytes(std::uint64_t bits, DType dtype) {
  std::string bytes(static_cast<std::size_t>(byte_size(dtype)), '\0');
  std::memcpy(bytes.data(), &bits, bytes.size());
  return bytes;
}

std::uint64_t sign_bit(DType dtype) { return std::uint64_t{1} << (8 * byte_size(dtype) - 1); }

std::uint64_t float_bits(DType dtype, double value) {
  switch (dtype) {
    case DType::f16:
      return f64_to_f16(value);
    case DType::bf16:
      return f64_to_bf16(value);
    case DType::f32:
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    default:
      return std::bit_cast<std::uint64_t>(value);
  }
}

/// [lowest, highest] of an integer dtype other than u64, whose highest does not fit.
struct IntegerRange {
  std::int64_t lowest, highest;
};
IntegerRange range_of(DType dtype) {
  if (dtype == DType::i1) return {0, 1};
  const int bits = static_cast<int>(8 * byte_size(dtype));
  if (is_signed_integer(dtype)) {
    const std::int64_t highest = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
    return {-highest - 1, highest};
  }
  return {0, bits == 64 ? std::numeric_limits<std::int64_t>::max() : (std::int64_t{1} << bits) - 1};
}

}  // namespace

std::string encode(DType dtype, double value) {
  if (is_float(dtype)) return low_bytes(float_bits(dtype, value), dtype);
  const IntegerRange range = range_of(dtype);
  // The highest value of s64 and u64 rounds up as a double, so compare below it plus one.
  const bool fits = value == std::trunc(value) && value >= static_cast<double>(range.lowest) &&
                    value < static_cast<double>(range.highest) + 1;
  require(fits, "{} is not a value of {}", value, name(dtype));
  return low_bytes(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)), dtype);
}

std::string encode_int(DType dtype, std::int64_t value) {
  if (is_float(dtype)) return encode(dtype, static_cast<double>(value));
  const IntegerRange range = range_of(dtype);
  require(dtype == DType::u64 || (range.lowest <= value && value <= range.highest), "{} is not a value of {}",
          value, name(dtype));
  return low_bytes(static_cast<std::uint64_t>(value), dtype);
}

std::string encode_lowest(DType dtype) {
  if (is_float(dtype)) return encode(dtype, -std::numeric_limits<double>::infinity());
  return low_bytes(is_signed_integer(dtype) ? sign_bit(dtype) : 0, dtype);
}

std::string encode_highest(DType dtype) {
  if (is_float(dtype)) return encode(dtype, std::numeric_limits<double>::infinity());
  if (dtype == DType::i1) return low_bytes(1, dtype);
  return low_bytes(is_signed_integer(dtype) ? ~sign_bit(dtype) : ~std::uint64_t{0}, dtype);
}

std::uint64_t decode_bits(std::string_view bytes) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), bytes.size());
  return bits;
}

double decode_float(DType dtype, std::string_view bytes) {
  const std::uint64_t bits = decode_bits(bytes);
  switch (dtype) {
    case DType::f16:
      return f16_to_f32(static_cast<std::uint16_t>(bits));
    case DType::bf16:
      return bf16_to_f32(static_cast<std::uint16_t>(bits));
    case DType::f32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    default:
      return std::bit_cast<double>(bits);
  }
}

}  // namespace adder::hlo
