#include "checkpoint/auto_dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

using formats::Encoding;
using formats::TensorView;
using testing::golden;

/// A matrix [rows,256] of normally distributed values in ggml blocks of 32.
class Quantised {
 public:
  Quantised(Encoding encoding, std::int64_t rows, float outlier = 0) : encoding_(encoding), rows_(rows) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (std::int64_t block = 0; block < rows * kWidth / 32; ++block) {
      float values[32];
      for (float& v : values) v = normal(random);
      if (block % (kWidth / 32) == 0 && outlier != 0) values[0] = outlier;
      add(values);
    }
  }
  TensorView view() const {
    return {"m", Shape{DType::f32, {rows_, kWidth}}, std::as_bytes(std::span(bytes_)), "", encoding_};
  }

 private:
  static constexpr std::int64_t kWidth = 256;
  void add(const float (&values)[32]) {
    const bool wide = encoding_ == Encoding::q8_0;
    float largest = 0;
    for (const float v : values) largest = std::max(largest, std::abs(v));
    const float step = largest / (wide ? 127 : 8);
    const std::uint16_t half = f32_to_f16(step);
    bytes_.append(reinterpret_cast<const char*>(&half), sizeof half);
    const auto level = [&](int i) {
      return std::clamp(static_cast<int>(std::lround(values[i] / step)), wide ? -127 : -8, wide ? 127 : 7);
    };
    if (wide)
      for (int i = 0; i < 32; ++i) bytes_.push_back(static_cast<char>(level(i)));
    else
      for (int i = 0; i < 16; ++i)
        bytes_.push_back(static_cast<char>((level(i) + 8) | ((level(i + 16) + 8) << 4)));
  }

  Encoding encoding_;
  std::int64_t rows_;
  std::string bytes_;
};

DType of(const std::vector<TensorView>& views) { return stored_dtype(views); }

TEST(StoredDtype, IsTheOneInTheFile) {
  const std::pair<const char*, DType> expected[] = {{"hf-tiny", DType::f32},
                                                    {"mamba-ssm-tiny", DType::f32},
                                                    {"grouped-sharded-bf16-tiny", DType::bf16},
                                                    {"odd-shapes-f16-tiny", DType::bf16}};
  for (const auto& [name, dtype] : expected) {
    const auto checkpoint = Checkpoint::open(golden(name));
    ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
    EXPECT_EQ(stored_dtype(*checkpoint), dtype) << name;
  }
}

TEST(StoredDtype, FourBitsFitIntoInt8RowsAndEightBitsByBlocksDoNot) {
  const Quantised four(Encoding::q4_0, 40), eight(Encoding::q8_0, 40);
  EXPECT_EQ(of({four.view()}), DType::s8);
  EXPECT_EQ(of({eight.view()}), DType::bf16);
}

TEST(StoredDtype, AnOutlierInEachRowMakesInt8TooCoarse) {
  const Quantised with_outliers(Encoding::q4_0, 40, 200);
  EXPECT_EQ(of({with_outliers.view()}), DType::bf16);
}

TEST(StoredDtype, TheWidestOfSeveralCounts) {
  const Quantised four(Encoding::q4_0, 40);
  const testing::OwnedTensor f32("a", Shape{DType::f32, {4, 8}}), bf16("b", Shape{DType::bf16, {4, 8}});
  EXPECT_EQ(of({four.view(), bf16.view()}), DType::bf16);
  EXPECT_EQ(of({four.view(), bf16.view(), f32.view()}), DType::f32);
  TensorView rows = testing::OwnedTensor("c", Shape{DType::f32, {4, 8}}).view();
  rows.encoding = Encoding::int8_rows;
  EXPECT_EQ(of({rows}), DType::s8);
  EXPECT_EQ(of({rows, bf16.view()}), DType::bf16);
}

}  // namespace
}  // namespace adder::checkpoint
