#include "hlo/literal.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "hlo/infer_checks.h"

static_assert(std::endian::native == std::endian::little, "constants are written in host order");

namespace adder::hlo {
namespace {

/// Exponent and fraction widths of an IEEE-like binary format.
struct FloatFormat {
  int exponent_bits, fraction_bits;
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint64_t infinity() const { return ((std::uint64_t{1} << exponent_bits) - 1) << fraction_bits; }
};
FloatFormat format_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return {5, 10};
    case DType::bf16:
      return {8, 7};
    case DType::f32:
      return {8, 23};
    default:
      return {11, 52};
  }
}

std::string low_bytes(std::uint64_t bits, DType dtype) {
  std::string bytes(static_cast<std::size_t>(byte_size(dtype)), '\0');
  std::memcpy(bytes.data(), &bits, bytes.size());
  return bytes;
}

std::uint64_t sign_bit(DType dtype) { return std::uint64_t{1} << (8 * byte_size(dtype) - 1); }

std::uint64_t round_to_format(double value, FloatFormat f) {
  const std::uint64_t sign = std::uint64_t{std::signbit(value)} << (f.exponent_bits + f.fraction_bits);
  if (std::isnan(value)) return sign | f.infinity() | (std::uint64_t{1} << (f.fraction_bits - 1));
  if (std::isinf(value)) return sign | f.infinity();
  if (value == 0) return sign;
  // Subnormals share the smallest exponent. A fraction that rounds up to the next power of two carries into
  // the exponent by the addition, up to infinity.
  const int exponent = std::max(std::ilogb(value), 1 - f.bias());
  const double scaled = std::nearbyint(std::ldexp(std::fabs(value), f.fraction_bits - exponent));
  const std::uint64_t bits = (static_cast<std::uint64_t>(exponent + f.bias() - 1) << f.fraction_bits) +
                             static_cast<std::uint64_t>(scaled);
  return sign | std::min(bits, f.infinity());
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
  if (is_float(dtype)) return low_bytes(round_to_format(value, format_of(dtype)), dtype);
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
  const FloatFormat f = format_of(dtype);
  const std::uint64_t bits = decode_bits(bytes), one = std::uint64_t{1} << f.fraction_bits;
  const bool negative = (bits >> (f.exponent_bits + f.fraction_bits)) & 1;
  const std::uint64_t fraction = bits & (one - 1), exponent = (bits & f.infinity()) >> f.fraction_bits;
  double value;
  if ((bits & f.infinity()) == f.infinity())
    value = fraction ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    value = std::ldexp(static_cast<double>(fraction), 1 - f.bias() - f.fraction_bits);
  else
    value = std::ldexp(static_cast<double>(fraction + one),
                       static_cast<int>(exponent) - f.bias() - f.fraction_bits);
  return negative ? -value : value;
}

}  // namespace adder::hlo
