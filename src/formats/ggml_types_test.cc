#include "formats/ggml_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "formats/encoding.h"
#include "formats/store.h"
#include "formats/testing.h"

namespace adder::formats {
namespace {

std::vector<std::byte> unhex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

struct Case {
  const char* name;
  GgmlType type;
  Encoding encoding;
};
class BlockTest : public ::testing::TestWithParam<Case> {
 protected:
  // tools/make_gguf.py --blocks: random blocks and what the PyPI package gguf (0.19.0) makes of them.
  void SetUp() override {
    const auto json = read_json_file(testing::golden("gguf") / "blocks.json");
    ASSERT_TRUE(json) << json.error().to_string();
    blocks_ = unhex((*json)[GetParam().name]["blocks"].get<std::string>());
    const std::vector<std::byte> values = unhex((*json)[GetParam().name]["values"].get<std::string>());
    values_.resize(values.size() / 4);
    std::memcpy(values_.data(), values.data(), values.size());
  }
  TensorView view() const {
    return {.name = "w",
            .shape = {DType::f32, {3, block_elements(GetParam().type)}},
            .bytes = blocks_,
            .file = "f",
            .encoding = GetParam().encoding};
  }
  std::vector<std::byte> blocks_;
  std::vector<float> values_;
};

TEST_P(BlockTest, EqualsTheReferenceBitForBit) {
  ASSERT_EQ(blocks_.size(), static_cast<std::size_t>(3 * block_bytes(GetParam().type)));
  std::vector<float> ours(values_.size());
  ASSERT_TRUE(read_as_f32(view(), ours));
  EXPECT_EQ(ours, values_);
  EXPECT_EQ(stored_type(view()), GetParam().name);
  EXPECT_EQ(ggml_type_name(GetParam().type), GetParam().name);
}

TEST_P(BlockTest, EveryRangeIsAPartOfTheWhole) {
  const auto total = static_cast<std::int64_t>(values_.size()), block = block_elements(GetParam().type);
  for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1}, block - 1, block, total - 2, total})
    for (const std::int64_t n :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, block, block + 1, total - first}) {
      if (first + n > total) continue;
      std::vector<float> part(static_cast<std::size_t>(n));
      ASSERT_TRUE(read_range_as(view(), first, DType::f32, std::as_writable_bytes(std::span(part))));
      EXPECT_EQ(part, std::vector<float>(values_.begin() + first, values_.begin() + first + n))
          << first << " " << n;
    }
  std::vector<float> beyond(2);
  EXPECT_EQ(
      read_range_as(view(), total - 1, DType::f32, std::as_writable_bytes(std::span(beyond))).error().code,
      ErrorCode::invalid_argument);
}

TEST_P(BlockTest, ConvertsLikeAnyFloat) {
  const TensorView plain{
      .name = "w", .shape = view().shape, .bytes = std::as_bytes(std::span(values_)), .file = "f"};
  for (const DType dtype : {DType::bf16, DType::f16}) {
    std::vector<std::byte> ours(values_.size() * 2), expected(values_.size() * 2);
    ASSERT_TRUE(read_as(view(), dtype, ours));
    ASSERT_TRUE(read_as(plain, dtype, expected));
    EXPECT_EQ(ours, expected);
  }
  std::vector<std::byte> whole(values_.size());
  EXPECT_EQ(read_as(view(), DType::s8, whole).error().code, ErrorCode::unsupported);
}

INSTANTIATE_TEST_SUITE_P(Types, BlockTest,
                         ::testing::Values(Case{"Q8_0", GgmlType::q8_0, Encoding::q8_0},
                                           Case{"Q4_0", GgmlType::q4_0, Encoding::q4_0},
                                           Case{"Q4_K", GgmlType::q4_k, Encoding::q4_k},
                                           Case{"Q6_K", GgmlType::q6_k, Encoding::q6_k}),
                         [](const auto& which) { return which.param.name; });

TEST(GgmlTypeTest, Names) {
  EXPECT_EQ(ggml_type_name(13), "Q5_K");
  EXPECT_EQ(ggml_type_name(4), "type 4");
  EXPECT_EQ(ggml_type_name(4000000000u), "type 4000000000");
  for (const std::uint32_t other : {3u, 4u, 13u, 15u, 24u, 28u, 31u, 39u, 77u})
    EXPECT_FALSE(parse_ggml_type(other));
  EXPECT_EQ(parse_ggml_type(30), GgmlType::bf16);
}

}  // namespace
}  // namespace adder::formats
