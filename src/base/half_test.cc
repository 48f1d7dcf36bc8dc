#include "base/half.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace adder {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// One 16-bit format, described by its definition rather than by bit tricks.
struct Format {
  int mantissa_bits, bias;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
  std::uint16_t (*narrow_double)(double);

  std::uint16_t infinity() const {
    return static_cast<std::uint16_t>(0x7fff >> mantissa_bits << mantissa_bits);
  }

  // The value of a non-negative finite pattern, from the formula of IEEE 754.
  double value(std::uint16_t bits) const {
    const int exponent = bits >> mantissa_bits, mantissa = bits & ((1 << mantissa_bits) - 1);
    const int significand = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
    return std::ldexp(significand, std::max(exponent, 1) - bias - mantissa_bits);
  }

  // The nearest pattern to x >= 0, by bisection over all patterns; a tie goes to the even one.
  std::uint16_t nearest(double x) const {
    std::uint16_t low = 0, high = infinity();
    while (high - low > 1) {
      const auto middle = static_cast<std::uint16_t>((low + high) / 2);
      (value(middle) <= x ? low : high) = middle;
    }
    const double above = value(high);  // of infinity: what the next finite value would have been
    const double down = x - value(low), up = above - x;
    if (down == up) return low % 2 == 0 ? low : high;
    return down < up ? low : high;
  }
};

const Format kF16{10, 15, f16_to_f32, f32_to_f16, f64_to_f16};
const Format kBf16{7, 127, bf16_to_f32, f32_to_bf16, f64_to_bf16};

class HalfTest : public ::testing::TestWithParam<const Format*> {};

TEST_P(HalfTest, WideningEveryPatternGivesItsDefinedValue) {
  const Format& format = *GetParam();
  for (int bits = 0; bits < format.infinity(); ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    ASSERT_EQ(static_cast<double>(format.widen(pattern)), format.value(pattern)) << bits;
    ASSERT_EQ(static_cast<double>(format.widen(pattern | 0x8000)), -format.value(pattern)) << bits;
  }
  EXPECT_EQ(format.widen(format.infinity()), kInf);
  EXPECT_EQ(format.widen(format.infinity() | 0x8000), -kInf);
  EXPECT_TRUE(std::signbit(format.widen(0x8000)));
}

TEST_P(HalfTest, EveryPatternSurvivesARoundTripNanPayloadsIncluded) {
  const Format& format = *GetParam();
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    ASSERT_EQ(format.narrow(format.widen(pattern)), pattern);
    ASSERT_EQ(std::isnan(format.widen(pattern)), (bits & 0x7fff) > format.infinity());
  }
}

TEST_P(HalfTest, MidpointsGoToEvenAndTheirNeighboursToTheNearerSide) {
  const Format& format = *GetParam();
  for (int bits = 0; bits + 1 < format.infinity(); ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const double middle = (format.value(low) + format.value(high)) / 2;
    const std::uint16_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(format.narrow_double(middle), even) << bits;
    ASSERT_EQ(format.narrow_double(std::nextafter(middle, 0.0)), low) << bits;
    ASSERT_EQ(format.narrow_double(std::nextafter(middle, 1e300)), high) << bits;
    const auto narrow_middle = static_cast<float>(middle);
    if (static_cast<double>(narrow_middle) != middle) continue;  // below float32's own subnormals
    ASSERT_EQ(format.narrow(narrow_middle), even) << bits;
    ASSERT_EQ(format.narrow(std::nextafterf(narrow_middle, kInf)), high) << bits;
    ASSERT_EQ(format.narrow(std::nextafterf(narrow_middle, 0.0f)), low) << bits;
    ASSERT_EQ(format.narrow(-narrow_middle), even | 0x8000) << bits;
  }
}

TEST_P(HalfTest, OverflowRoundsToInfinityFromHalfwayOn) {
  const Format& format = *GetParam();
  const auto largest = static_cast<std::uint16_t>(format.infinity() - 1);
  const double edge = (format.value(largest) + format.value(format.infinity())) / 2;
  EXPECT_EQ(format.narrow_double(edge), format.infinity());
  EXPECT_EQ(format.narrow_double(std::nextafter(edge, 0.0)), largest);
  EXPECT_EQ(format.narrow(kInf), format.infinity());
  EXPECT_EQ(format.narrow(-kInf), format.infinity() | 0x8000);
  EXPECT_EQ(format.narrow_double(1e300), format.infinity());
}

TEST_P(HalfTest, ANanWhosePayloadIsLostStaysANan) {
  const Format& format = *GetParam();
  for (const std::uint32_t bits : {0x7f80'0001u, 0xff80'0001u, 0x7fff'ffffu, 0xffff'ffffu}) {
    const std::uint16_t narrow = format.narrow(std::bit_cast<float>(bits));
    EXPECT_GT(narrow & 0x7fff, format.infinity());
    EXPECT_EQ(narrow >> 15, bits >> 31);
  }
  EXPECT_GT(format.narrow_double(std::nan("")) & 0x7fff, format.infinity());
}

INSTANTIATE_TEST_SUITE_P(Formats, HalfTest, ::testing::Values(&kF16, &kBf16),
                         [](const auto& p) { return p.param == &kF16 ? "f16" : "bf16"; });

RC_GTEST_PROP(HalfProperty, NarrowingFindsTheNearestPattern, (std::uint32_t bits)) {
  const float x = std::bit_cast<float>(bits & 0x7fff'ffffu);
  RC_PRE(std::isfinite(x));
  for (const Format* format : {&kF16, &kBf16}) RC_ASSERT(format->narrow(x) == format->nearest(x));
}

RC_GTEST_PROP(HalfProperty, DoublesAreRoundedOnce, (std::uint64_t bits)) {
  // Exponents around those of f16, so that not everything is 0 or infinity.
  const double x =
      std::ldexp(1.0 + static_cast<double>(bits >> 12) * 0x1p-52, static_cast<int>(bits % 48) - 28);
  for (const Format* format : {&kF16, &kBf16}) RC_ASSERT(format->narrow_double(x) == format->nearest(x));
}

RC_GTEST_PROP(HalfProperty, ArraysAgreeWithScalars, (const std::vector<std::uint16_t>& bits)) {
  std::vector<float> wide(bits.size());
  std::vector<std::uint16_t> back(bits.size());
  f16_to_f32(bits, wide);
  for (std::size_t i = 0; i < bits.size(); ++i)
    RC_ASSERT(std::bit_cast<std::uint32_t>(wide[i]) == std::bit_cast<std::uint32_t>(f16_to_f32(bits[i])));
  f32_to_f16(wide, back);
  RC_ASSERT(back == bits);
  bf16_to_f32(bits, wide);
  for (std::size_t i = 0; i < bits.size(); ++i)
    RC_ASSERT(std::bit_cast<std::uint32_t>(wide[i]) == std::bit_cast<std::uint32_t>(bf16_to_f32(bits[i])));
  f32_to_bf16(wide, back);
  RC_ASSERT(back == bits);
}

}  // namespace
}  // namespace adder
