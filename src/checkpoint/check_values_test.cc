#include "checkpoint/check_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

using testing::golden;
using ::testing::HasSubstr;
using testing::OwnedTensor;
using testing::TempDirectory;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

class CheckValues : public ::testing::Test {
 protected:
  CheckValues() {
    tensors_ = testing::tensors_for(*testing::config_of(testing::tiny_config()));
    for (OwnedTensor& t : tensors_) std::fill(t.data.begin(), t.data.end(), '\0');
  }
  void set(const std::string& name, std::size_t index, float value) {
    for (OwnedTensor& t : tensors_)
      if (t.name == name) {
        std::memcpy(t.data.data() + index * sizeof value, &value, sizeof value);
        return;
      }
    FAIL() << "no tensor " << name;
  }
  std::vector<BadTensor> found() {
    testing::write_checkpoint(dir_, testing::tiny_config(), tensors_);
    const auto checkpoint = Checkpoint::open(dir_.path());
    EXPECT_TRUE(checkpoint) << checkpoint.error().to_string();
    if (!checkpoint) return {};
    auto bad = find_bad_values(*checkpoint, null_progress());
    EXPECT_TRUE(bad) << bad.error().to_string();
    return bad ? *std::move(bad) : std::vector<BadTensor>();
  }

  TempDirectory dir_;
  std::vector<OwnedTensor> tensors_;
};

TEST_F(CheckValues, GoldensAreGood) {
  for (const char* name : testing::kGoldens) {
    const auto checkpoint = Checkpoint::open(golden(name));
    ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
    const auto bad = find_bad_values(*checkpoint, null_progress());
    ASSERT_TRUE(bad) << bad.error().to_string();
    EXPECT_EQ(bad->size(), 0u) << name;
  }
  EXPECT_EQ(found().size(), 0u);
}

TEST_F(CheckValues, TensorRowColumnAndValueAreNamed) {
  set("backbone.layers.1.mixer.out_proj.weight", 3 * 16 + 5, kNaN);
  set("backbone.layers.1.mixer.out_proj.weight", 4 * 16, kInf);
  set("backbone.layers.0.mixer.conv1d.weight", 2 * 4 + 1, -kInf);
  set("backbone.norm_f.weight", 6, kInf);
  const auto bad = found();
  ASSERT_EQ(bad.size(), 3u);
  EXPECT_EQ(bad[0].name, "backbone.layers.0.mixer.conv1d.weight");
  EXPECT_EQ(bad[0].first, "row 2, column 1 is -inf");
  EXPECT_EQ(bad[0].count, 1);
  EXPECT_EQ(bad[1].name, "backbone.layers.1.mixer.out_proj.weight");
  EXPECT_EQ(bad[1].first, "row 3, column 5 is nan");
  EXPECT_EQ(bad[1].count, 2);
  EXPECT_EQ(bad[2].first, "element 6 is inf");
}

TEST_F(CheckValues, DecayThatOverflowsIsNamed) {
  set("backbone.layers.0.mixer.A_log", 1, 200);
  set("backbone.layers.1.mixer.A_log", 2, 88);  // e^88 is a float32
  const auto bad = found();
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0].name, "backbone.layers.0.mixer.A_log");
  EXPECT_THAT(bad[0].first, HasSubstr("element 1 is 200"));
}

// Opening looks at every scale, so that there is nothing left to find.
TEST_F(CheckValues, ScalesOfInt8RowsAreLookedAtWhenOpening) {
  const std::string name = "backbone.layers.1.mixer.in_proj.weight";
  const auto weight =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const OwnedTensor& t) { return t.name == name; });
  ASSERT_NE(weight, tensors_.end());
  const Dims dims = weight->shape.dims;
  *weight = OwnedTensor(name, {DType::s8, dims});
  tensors_.emplace_back(name + "_scale", Shape{DType::f32, {dims[0], 1}});
  EXPECT_EQ(found().size(), 0u);
  set(name + "_scale", 2, kNaN);
  testing::write_checkpoint(dir_, testing::tiny_config(), tensors_);
  EXPECT_THAT(Checkpoint::open(dir_.path()).error().message,
              HasSubstr(name + "_scale: row 2: expected a number of 0 or more, found nan"));
}

}  // namespace
}  // namespace adder::checkpoint
