#include "formats/int8_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "formats/encoding.h"

namespace adder::checkpoint {
namespace {

using namespace formats;  // NOLINT: whose rows these are

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Int8;
using testing::OwnedTensor;
using testing::quantised;
using testing::TempDirectory;

formats::TensorView matrix(std::int64_t rows, std::span<const float> values) {
  return {.name = "w",
          .shape = {DType::f32, {rows, static_cast<std::int64_t>(values.size()) / rows}},
          .bytes = std::as_bytes(values),
          .file = "f"};
}

std::vector<float> normal(std::size_t n, float deviation) {
  std::mt19937 generator(7);
  std::normal_distribution<float> draw(0, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = draw(generator);
  return values;
}

void expect_bound(std::span<const float> weights, const Int8& q) {
  const std::size_t width = weights.size() / q.scales.size();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double scale = q.scales[i / width], error = static_cast<double>(weights[i]) - q.values[i] * scale;
    ASSERT_LE(std::fabs(error), scale * (0.5 + 0x1p-17)) << "element " << i << " is " << weights[i];
    ASSERT_GE(q.values[i], -127);
  }
}

TEST(QuantizeTest, TheErrorIsAtMostHalfAStep) {
  for (const float deviation : {0.02f, 3.0f, 1e-36f, 1e36f, 1e-41f}) {
    const std::vector<float> weights = normal(std::size_t{300} * 257, deviation);
    expect_bound(weights, quantised(matrix(300, weights)));
  }
}

TEST(QuantizeTest, TheLargestOfARowIsAFullStepAndTiesGoToEven) {
  const std::vector<float> weights = {0, 127, 0.5f, 1.5f, -2.5f, -127};
  const Int8 q = quantised(matrix(1, weights));
  EXPECT_THAT(q.scales, ElementsAre(1.0f));
  EXPECT_THAT(q.values, ElementsAre(0, 127, 0, 2, -2, -127));
}

TEST(QuantizeTest, RowsHaveScalesOfTheirOwn) {
  const std::vector<float> weights = {1, -2, 100, 50};
  const Int8 q = quantised(matrix(2, weights));
  EXPECT_THAT(q.scales, ElementsAre(2.0f / 127, 100.0f / 127));
  EXPECT_THAT(q.values, ElementsAre(64, -127, 127, 64)) << "63.5 goes to even";
}

TEST(QuantizeTest, ARowOfZerosHasScaleOne) {
  const std::vector<float> weights = {0, -0.0f, 0, 3};
  const Int8 q = quantised(matrix(2, weights));
  EXPECT_THAT(q.values, ElementsAre(0, 0, 0, 127));
  EXPECT_EQ(q.scales[0], 1.0f);
}

TEST(QuantizeTest, NoScaleIsSubnormal) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> weights = {tiny * 190, tiny};
  const Int8 q = quantised(matrix(1, weights));
  EXPECT_EQ(q.scales[0], FLT_MIN);
  expect_bound(weights, q);
}

TEST(QuantizeTest, NotFiniteWeightsAreRefusedByName) {
  for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> weights(12, 1.0f);
    weights[7] = bad;
    std::vector<std::int8_t> values(12);
    std::vector<float> scales(3);
    const Status read = formats::read_int8(matrix(3, weights), values, scales);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
    EXPECT_THAT(read.error().message, AllOf(HasSubstr("f: tensor \"w\""), HasSubstr("row 1, column 3")));
    EXPECT_FALSE(formats::read_int8_scales(matrix(3, weights), 0, scales));
  }
}

TEST(QuantizeTest, EveryPieceIsAsTheWhole) {
  const std::vector<float> weights = normal(std::size_t{130} * 1023, 1);
  const formats::TensorView view = matrix(130, weights);
  const Int8 all = quantised(view);
  std::vector<std::int8_t> values(std::size_t{3} * 1023);
  std::vector<float> scales(3), only(3);
  ASSERT_TRUE(formats::read_int8_rows(view, 126, values, scales));
  ASSERT_TRUE(formats::read_int8_scales(view, 126, only));
  EXPECT_TRUE(std::equal(values.begin(), values.end(), all.values.begin() + 126 * 1023));
  EXPECT_TRUE(std::equal(scales.begin(), scales.end(), all.scales.begin() + 126));
  EXPECT_EQ(scales, only);
}

TEST(QuantizeTest, RoomThatDoesNotFitIsRefused) {
  const std::vector<float> weights(6, 1.0f);
  std::vector<std::int8_t> values(6);
  std::vector<float> scales(3);
  const formats::TensorView view = matrix(2, weights);
  EXPECT_EQ(formats::read_int8(view, values, scales).error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(formats::read_int8(view, std::span(values).first(5), std::span(scales).first(2)));
  EXPECT_FALSE(formats::read_int8_rows(view, 1, values, std::span(scales).first(2)));
  EXPECT_FALSE(formats::read_int8_rows(view, -1, values, std::span(scales).first(2)));
  EXPECT_FALSE(formats::read_int8_scales(view, 3, std::span(scales).first(1)));
  formats::TensorView vector = view;
  vector.shape.dims = {6};
  EXPECT_FALSE(formats::read_int8(vector, values, std::span(scales).first(1)));
}

// A checkpoint whose first in_proj is stored as int8: 52 rows of 8.
class StoredInt8 : public ::testing::Test {
 protected:
  static constexpr const char* kName = "backbone.layers.0.mixer.in_proj.weight";

  StoredInt8() : tensors(testing::tensors_for(*testing::config_of(testing::tiny_config()))) {
    OwnedTensor& w = weight();
    w = OwnedTensor(kName, {DType::s8, w.shape.dims});
    for (std::size_t i = 0; i < w.data.size(); ++i) w.data[i] = static_cast<char>(i * 37 % 256);
    OwnedTensor scale(std::string(kName) + "_scale", {DType::f32, {52, 1}});
    for (std::size_t i = 0; i < 52; ++i) {
      const float value = 0.25f + static_cast<float>(i) / 3;
      std::memcpy(scale.data.data() + 4 * i, &value, sizeof value);
    }
    tensors.push_back(scale);
  }
  OwnedTensor& weight() {
    return *std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == kName; });
  }
  OwnedTensor& scale() { return tensors.back(); }
  Result<Checkpoint> open(const Json& config = testing::tiny_config()) {
    testing::write_checkpoint(dir, config, tensors);
    return Checkpoint::open(dir.path());
  }

  TempDirectory dir;
  std::vector<OwnedTensor> tensors;
};

TEST_F(StoredInt8, GivesBackWhatIsStored) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
  const formats::TensorView view = *checkpoint->tensor(kName);
  EXPECT_EQ(view.encoding, formats::Encoding::int8_rows);
  EXPECT_EQ(stored_type(view), "I8");
  EXPECT_EQ(stored_size(view), 52 * 8 + 52 * 4);
  const Int8 q = quantised(view);
  EXPECT_EQ(std::memcmp(q.values.data(), weight().data.data(), q.values.size()), 0) << "-128 included";
  EXPECT_EQ(std::memcmp(q.scales.data(), scale().data.data(), 52 * 4), 0);
  EXPECT_EQ(checkpoint->entries().size() + 1, tensors.size()) << "the scale is no tensor of its own";
  std::int64_t parameters = 0;
  for (const OwnedTensor& t : tensors) parameters += t.shape.elements();
  EXPECT_EQ(checkpoint->parameter_count(), parameters - 52);
}

TEST_F(StoredInt8, ReadsAsFloatsToo) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
  const formats::TensorView view = *checkpoint->tensor(kName);
  const Int8 q = quantised(view);
  std::vector<float> wide(52 * 8);
  ASSERT_TRUE(formats::read_as_f32(view, wide));
  for (std::size_t i = 0; i < wide.size(); ++i)
    ASSERT_EQ(wide[i], static_cast<float>(q.values[i]) * q.scales[i / 8]);
  std::vector<std::uint16_t> narrow(52 * 8);
  ASSERT_TRUE(formats::read_as(view, DType::bf16, std::as_writable_bytes(std::span(narrow))));
  EXPECT_LE(std::fabs(std::bit_cast<float>(narrow[100] << 16) - wide[100]), std::fabs(wide[100]) / 256);
  std::vector<float> middle(13);
  ASSERT_TRUE(formats::read_range_as(view, 21, DType::f32, std::as_writable_bytes(std::span(middle))));
  EXPECT_TRUE(std::equal(middle.begin(), middle.end(), wide.begin() + 21)) << "a range across rows";
}

TEST_F(StoredInt8, ScalesMayBeHalvesAndAVector) {
  scale() = OwnedTensor(scale().name, {DType::bf16, {52}}, '\x3f');  // 0x3f3f is 0.746
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
  EXPECT_THAT(quantised(*checkpoint->tensor(kName)).scales, Each(std::bit_cast<float>(0x3f3f0000u)));
}

TEST_F(StoredInt8, TheFingerprintKnowsTheScales) {
  const auto before = open();
  ASSERT_TRUE(before);
  scale().data[70] ^= 1;
  const auto after = open();
  ASSERT_TRUE(after);
  EXPECT_NE(testing::fingerprint(*before), testing::fingerprint(*after));
}

TEST_F(StoredInt8, AMissingScaleIsNamed) {
  tensors.pop_back();
  EXPECT_THAT(open().error().message,
              AllOf(HasSubstr("in 1 place"), HasSubstr(std::string(kName) + "_scale: missing")));
}

TEST_F(StoredInt8, AScaleOfAnotherShapeIsRefused) {
  for (const Dims& dims : {Dims{1, 52}, Dims{52, 2}, Dims{51, 1}, Dims{}, Dims{1}}) {
    scale() = OwnedTensor(scale().name, {DType::f32, dims});
    EXPECT_THAT(open().error().message, AllOf(HasSubstr("in 1 place"), HasSubstr("_scale: wrong shape"),
                                              HasSubstr("expected [52,1] or [52]")))
        << to_string(dims);
  }
}

TEST_F(StoredInt8, AScaleThatIsNoScaleIsRefused) {
  for (const float bad : {-1.0f, std::nanf(""), INFINITY}) {
    std::memcpy(scale().data.data() + 40, &bad, sizeof bad);
    EXPECT_THAT(open().error().message, HasSubstr("_scale: row 10: expected a number of 0 or more"));
  }
  scale() = OwnedTensor(scale().name, {DType::s32, {52, 1}});
  EXPECT_THAT(open().error().message, HasSubstr("_scale: wrong dtype"));
}

TEST_F(StoredInt8, OnlyMatricesMayBeInt8AndScalesNeedAnInt8Weight) {
  OwnedTensor& norm = tensors[1];
  norm = OwnedTensor(norm.name, {DType::s8, norm.shape.dims});
  EXPECT_THAT(open().error().message, HasSubstr(norm.name + ": wrong dtype"));
  norm = OwnedTensor(norm.name, {DType::f32, norm.shape.dims});
  weight() = OwnedTensor(kName, {DType::f32, weight().shape.dims});
  EXPECT_THAT(open().error().message, HasSubstr("_scale\": surplus"));
}

TEST_F(StoredInt8, AnUnusedHeadMayBeInt8) {
  tensors.emplace_back("lm_head.weight", Shape{DType::s8, {10, 8}});
  tensors.emplace_back("lm_head.weight_scale", Shape{DType::f32, {10, 1}});
  const auto checkpoint = open();
  EXPECT_TRUE(checkpoint) << checkpoint.error().to_string();
}

TEST_F(StoredInt8, Float8WeightsAreRefusedByTheNameOfTheirMethod) {
  Json config = testing::tiny_config();
  config["quantization_config"] = {{"quant_method", "fp8"}};
  testing::write_file(dir / "config.json", config.dump());
  testing::write_file(
      dir / "model.safetensors",
      testing::safetensors_bytes(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "x"));
  const auto checkpoint = Checkpoint::open(dir.path());
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().code, ErrorCode::unsupported);
  EXPECT_THAT(checkpoint.error().message, HasSubstr("the weights are quantised by \"fp8\""));
}

}  // namespace
}  // namespace adder::checkpoint
