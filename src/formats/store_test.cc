#include "formats/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cstring>

#include "base/half.h"
#include "formats/testing.h"

namespace adder::formats {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using testing::OwnedTensor;
using testing::TempDirectory;
using testing::write_file;

constexpr DType kU8 = DType::u8;

TEST(StoreTest, OneFileADirectoryAndAnIndexAreAllCheckpoints) {
  const auto directory = TensorStore::open(golden("hf-tiny"));
  const auto file = TensorStore::open(golden("hf-tiny") / "model.safetensors");
  const auto shards = TensorStore::open(golden("grouped-sharded-bf16-tiny"));
  const auto index = TensorStore::open(golden("grouped-sharded-bf16-tiny") / "model.safetensors.index.json");
  ASSERT_TRUE(directory && file && shards && index);
  EXPECT_EQ(directory->names(), file->names());
  EXPECT_EQ(shards->names(), index->names());
  EXPECT_EQ(shards->format(), "safetensors, 3 shards");
  EXPECT_EQ(shards->names().size(), 30u);
  const TensorView* view = shards->find("backbone.layers.2.mixer.in_proj.weight");
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->shape.dtype, DType::bf16);
  shards->release(*view);
  EXPECT_EQ(shards->share(*view).get(), view->bytes.data());
}

TEST(StoreTest, OnlyModelFilesArePickedUp) {
  const TempDirectory dir;
  testing::write_tensors(dir / "expected.safetensors", {OwnedTensor("logits", {kU8, {1}})});
  const auto none = TensorStore::open(dir.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_THAT(none.error().message,
              AllOf(HasSubstr("expected one of model.safetensors"), HasSubstr("found expected.safetensors")));
  testing::write_tensors(dir / "consolidated.safetensors", {OwnedTensor("other", {kU8, {1}})});
  EXPECT_THAT(TensorStore::open(dir.path())->names(), ::testing::ElementsAre("other"));
  testing::write_tensors(dir / "model.safetensors", {OwnedTensor("w", {kU8, {1}})});
  const auto store = TensorStore::open(dir.path());
  ASSERT_TRUE(store);
  EXPECT_THAT(store->names(), ::testing::ElementsAre("w"));
}

TEST(StoreTest, WhatCannotBeOpenedIsNamed) {
  const TempDirectory dir;
  EXPECT_THAT(TensorStore::open(dir.path()).error().message, HasSubstr("an empty directory"));
  write_file(dir / "pytorch_model.bin", "no zip archive");
  EXPECT_THAT(TensorStore::open(dir.path()).error().message,
              HasSubstr("pytorch_model.bin: not a readable zip"));
  write_file(dir / "m.gguf", "GGUF");
  EXPECT_THAT(TensorStore::open(dir / "m.gguf").error().message, HasSubstr("m.gguf"));
  EXPECT_EQ(TensorStore::open(dir / "nothing").error().code, ErrorCode::not_found);
}

class ShardTest : public ::testing::Test {
 protected:
  ShardTest() {
    testing::write_tensors(dir / "s1.safetensors",
                           {OwnedTensor("a", {kU8, {1}}), OwnedTensor("b", {kU8, {1}})});
    testing::write_tensors(dir / "s2.safetensors", {OwnedTensor("c", {kU8, {1}})});
  }
  Result<TensorStore> open(const std::string& weight_map) {
    write_file(dir / "model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":" + weight_map + "}");
    return TensorStore::open(dir.path());
  }
  TempDirectory dir;
};

TEST_F(ShardTest, AgreeingIndexOpens) {
  const auto store = open(R"({"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"})");
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_THAT(store->names(), ::testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(store->find("d"), nullptr);
}

TEST_F(ShardTest, MissingShardIsNamed) {
  const auto store = open(R"({"a":"s1.safetensors","b":"s1.safetensors","c":"s3.safetensors"})");
  EXPECT_EQ(store.error().code, ErrorCode::not_found);
  EXPECT_THAT(store.error().message, HasSubstr("shard \"s3.safetensors\" is missing"));
}

TEST_F(ShardTest, AllDisagreementsAreReportedAtOnce) {
  const auto store = open(R"({"a":"s1.safetensors","x":"s1.safetensors","y":"s2.safetensors"})");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
  EXPECT_THAT(store.error().message,
              AllOf(HasSubstr("\"x\": the index places it in \"s1.safetensors\", which does not hold it"),
                    HasSubstr("\"y\": the index places it in \"s2.safetensors\""),
                    HasSubstr("\"b\": \"s1.safetensors\" holds it, but"),
                    HasSubstr("\"c\": \"s2.safetensors\" holds it")));
}

TEST_F(ShardTest, PathsMayNotLeaveTheDirectory) {
  for (const char* name :
       {"../s1.safetensors", "/etc/passwd", "sub/s1.safetensors", "..", "", "..\\\\s1.safetensors"})
    EXPECT_THAT(open("{\"a\":\"" + std::string(name) + "\"}").error().message,
                HasSubstr("weight_map.\"a\": expected the plain name"))
        << name;
}

TEST_F(ShardTest, MalformedIndexesAreRefused) {
  EXPECT_THAT(open("[]").error().message, HasSubstr("weight_map: expected an object"));
  EXPECT_THAT(open("{}").error().message, HasSubstr("weight_map is empty"));
  EXPECT_THAT(open(R"({"a":1})").error().message, HasSubstr("found the number 1"));
  EXPECT_THAT(open(R"({"a":"s1.safetensors","a":"s2.safetensors"})").error().message,
              HasSubstr("appears twice"));
  write_file(dir / "model.safetensors.index.json", "[1]");
  EXPECT_THAT(TensorStore::open(dir.path()).error().message, HasSubstr("weight_map"));
  write_file(dir / "s1.safetensors", "short");
  EXPECT_THAT(open(R"({"a":"s1.safetensors"})").error().message,
              HasSubstr("s1.safetensors: expected 8 bytes"));
}

TensorView view_of(DType dtype, std::span<const std::byte> bytes) {
  return {"t", {dtype, {static_cast<std::int64_t>(bytes.size()) / byte_size(dtype)}}, bytes, "f"};
}

RC_GTEST_PROP(ReadAsProperty, ConvertsEveryFloatTypeAtAnyAlignment,
              (const std::vector<std::uint16_t>& bits)) {
  // One stray byte in front makes every element unaligned; the length crosses a conversion block now and
  // then.
  std::vector<std::uint16_t> many;
  for (int i = 0; i < 40; ++i) many.insert(many.end(), bits.begin(), bits.end());
  std::vector<std::byte> raw(1 + many.size() * 2);
  if (!many.empty()) std::memcpy(raw.data() + 1, many.data(), many.size() * 2);
  const std::span<const std::byte> bytes = std::span(raw).subspan(1);
  for (const DType from : {DType::f16, DType::bf16}) {
    std::vector<float> wide(many.size());
    RC_ASSERT(static_cast<bool>(read_as_f32(view_of(from, bytes), wide)));
    for (std::size_t i = 0; i < many.size(); ++i) {
      const float expected = from == DType::f16 ? f16_to_f32(many[i]) : bf16_to_f32(many[i]);
      RC_ASSERT(std::bit_cast<std::uint32_t>(wide[i]) == std::bit_cast<std::uint32_t>(expected));
    }
    std::vector<std::uint16_t> back(many.size());
    const auto wide_bytes = std::as_bytes(std::span(wide));
    RC_ASSERT(static_cast<bool>(
        read_as(view_of(DType::f32, wide_bytes), from, std::as_writable_bytes(std::span(back)))));
    RC_ASSERT(back == many);
  }
}

TEST(ReadAsTest, DoublesAreRoundedOnce) {
  // Just above the middle of two bf16 values, but within float32's rounding of it.
  const double value = 1.0 + 0x1p-8 + 0x1p-40;
  const auto bytes = std::as_bytes(std::span(&value, 1));
  std::uint16_t bf16 = 0;
  ASSERT_TRUE(read_as(view_of(DType::f64, bytes), DType::bf16, std::as_writable_bytes(std::span(&bf16, 1))));
  EXPECT_EQ(bf16, 0x3f81);
  float f32 = 0;
  ASSERT_TRUE(read_as_f32(view_of(DType::f64, bytes), std::span(&f32, 1)));
  EXPECT_EQ(f32, 1.0f + 0x1p-8f);
}

TEST(ReadAsTest, RangesMatchTheWholeAndBadOnesAreRefused) {
  const auto store = TensorStore::open(golden("odd-shapes-f16-tiny"));
  ASSERT_TRUE(store);
  const TensorView& view = *store->find("backbone.embeddings.weight");
  std::vector<float> whole(200 * 48), pieces(200 * 48);
  ASSERT_TRUE(read_as_f32(view, whole));
  for (std::size_t at = 0; at < pieces.size(); at += 1000) {
    const std::size_t n = std::min<std::size_t>(1000, pieces.size() - at);
    ASSERT_TRUE(read_range_as(view, static_cast<std::int64_t>(at), DType::f32,
                              std::as_writable_bytes(std::span(pieces).subspan(at, n))));
  }
  EXPECT_EQ(whole, pieces);
  std::vector<float> two(2);
  const auto out = std::as_writable_bytes(std::span(two));
  EXPECT_EQ(read_as_f32(view, two).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(read_range_as(view, 9599, DType::f32, out).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(read_range_as(view, -1, DType::f32, out).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(read_range_as(view, 0, DType::f32, out.first(7)).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(read_range_as(view, 9598, DType::f32, out));
}

TEST(ReadAsTest, IntegersAreOnlyReadAsThemselves) {
  const std::int32_t value = 7;
  const TensorView view = view_of(DType::s32, std::as_bytes(std::span(&value, 1)));
  std::int32_t same = 0;
  float other = 0;
  ASSERT_TRUE(read_as(view, DType::s32, std::as_writable_bytes(std::span(&same, 1))));
  EXPECT_EQ(same, 7);
  EXPECT_EQ(read_as_f32(view, std::span(&other, 1)).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace adder::formats
