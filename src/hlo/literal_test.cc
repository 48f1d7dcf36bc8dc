#include "hlo/literal.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "hlo/infer.h"

namespace adder::hlo {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::uint64_t bits(DType dtype, double value) { return decode_bits(encode(dtype, value)); }

TEST(Literal, RoundsFloatsToNearestEven) {
  EXPECT_EQ(bits(DType::f32, 0.1), 0x3DCCCCCDu);
  EXPECT_EQ(bits(DType::f32, -0.0), 0x80000000u);
  EXPECT_EQ(bits(DType::f32, 16777217), 0x4B800000u);      // a tie, to even
  EXPECT_EQ(bits(DType::f32, 16777219), 0x4B800002u);      // a tie, to even above
  EXPECT_EQ(bits(DType::f32, 1e39), 0x7F800000u);          // overflows
  EXPECT_EQ(bits(DType::f32, std::ldexp(1.0, -149)), 1u);  // the smallest subnormal
  EXPECT_EQ(bits(DType::f32, std::ldexp(1.0, -150)), 0u);  // half of it, to even
  EXPECT_EQ(bits(DType::f64, 0.1), 0x3FB999999999999Au);
  EXPECT_EQ(bits(DType::bf16, 1.00390625), 0x3F80u);  // 1 + 2^-8, a tie
  EXPECT_EQ(bits(DType::bf16, 1.01171875), 0x3F82u);  // 1 + 3 * 2^-8, a tie
  EXPECT_EQ(bits(DType::f16, 65504), 0x7BFFu);        // the largest
  EXPECT_EQ(bits(DType::f16, 65520), 0x7C00u);        // rounds to infinity
  EXPECT_EQ(bits(DType::f16, std::ldexp(1.0, -24)), 1u);
  EXPECT_EQ(bits(DType::f16, -kInf), 0xFC00u);
  EXPECT_EQ(bits(DType::bf16, std::nan("")), 0x7FC0u);
}

TEST(Literal, AgreesWithTheProcessorOnF32) {
  std::uint64_t random = 1;
  for (int i = 0; i < 20000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const double value = std::ldexp(static_cast<double>(random >> 11), static_cast<int>(random % 300) - 200);
    const float expected = static_cast<float>(value);
    EXPECT_EQ(decode_float(DType::f32, encode(DType::f32, value)), static_cast<double>(expected)) << value;
  }
}

TEST(Literal, DecodesWhatItEncodes) {
  for (DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64})
    for (double value : {0.0, 1.0, -1.5, 0.0078125, kInf, -kInf})
      EXPECT_EQ(decode_float(dtype, encode(dtype, value)), value) << name(dtype);
  EXPECT_TRUE(std::isnan(decode_float(DType::f16, encode(DType::f16, std::nan("")))));
  EXPECT_TRUE(std::signbit(decode_float(DType::bf16, encode(DType::bf16, -0.0))));
}

TEST(Literal, IntegersMustFitExactly) {
  EXPECT_EQ(bits(DType::s8, -128), 0x80u);
  EXPECT_EQ(bits(DType::u8, 255), 0xFFu);
  EXPECT_EQ(bits(DType::i1, 1), 1u);
  EXPECT_EQ(decode_bits(encode_int(DType::u64, -1)), ~std::uint64_t{0});
  for (auto [dtype, value] : {std::pair{DType::s8, 128.0},
                              {DType::u8, -1.0},
                              {DType::s32, 0.5},
                              {DType::i1, 2.0},
                              {DType::s64, 9.3e18},
                              {DType::s32, kInf},
                              {DType::s32, std::nan("")}})
    EXPECT_THROW(encode(dtype, value), ShapeError) << value << " as " << name(dtype);
  EXPECT_THAT([] { encode_int(DType::s8, -129); },
              ThrowsMessage<ShapeError>(HasSubstr("-129 is not a value of s8")));
  EXPECT_THROW(encode_int(DType::u32, -1), ShapeError);
}

TEST(Literal, ExtremesAreNeutralForMinimumAndMaximum) {
  EXPECT_EQ(decode_float(DType::bf16, encode_lowest(DType::bf16)), -kInf);
  EXPECT_EQ(decode_float(DType::f16, encode_highest(DType::f16)), kInf);
  EXPECT_EQ(decode_bits(encode_lowest(DType::s16)), 0x8000u);
  EXPECT_EQ(decode_bits(encode_highest(DType::s16)), 0x7FFFu);
  EXPECT_EQ(decode_bits(encode_lowest(DType::u32)), 0u);
  EXPECT_EQ(decode_bits(encode_highest(DType::u32)), 0xFFFFFFFFu);
  EXPECT_EQ(decode_bits(encode_highest(DType::s64)), 0x7FFFFFFFFFFFFFFFu);
  EXPECT_EQ(decode_bits(encode_highest(DType::i1)), 1u);
}

}  // namespace
}  // namespace adder::hlo
