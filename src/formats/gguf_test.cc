#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/gguf_testing.h"

namespace adder::formats {
namespace {

using namespace testing;  // NOLINT: this room's builders
using ::testing::AllOf;
using ::testing::HasSubstr;

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// A copy that ends where its allocation ends, so that a sanitizer sees every read past it.
Result<GgufContent> parse(const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  return parse_gguf(std::as_bytes(std::span(exact)), "m.gguf");
}
Error refused(const std::string& bytes) {
  const auto parsed = parse(bytes);
  EXPECT_FALSE(parsed);
  if (parsed) return {};
  EXPECT_THAT(parsed.error().message, ::testing::StartsWith("m.gguf: "));
  return parsed.error();
}

TEST(GgufTest, EveryTypeOfValue) {
  GgufBuilder b;
  b.set("a.u8", tag(GgufType::u8) + le<std::uint8_t>(200));
  b.set("a.s8", tag(GgufType::s8) + le<std::int8_t>(-100));
  b.set("a.u16", tag(GgufType::u16) + le<std::uint16_t>(60000));
  b.set("a.s16", tag(GgufType::s16) + le<std::int16_t>(-30000));
  b.set("a.u32", u32(4000000000u));
  b.set("a.s32", tag(GgufType::s32) + le<std::int32_t>(-2000000000));
  b.set("a.f32", f32(0.5f));
  b.set("a.bool", boolean(true));
  b.set("a.string", text("x\ny"));
  b.set("a.u64", tag(GgufType::u64) + le<std::uint64_t>(~std::uint64_t{0}));
  b.set("a.s64", tag(GgufType::s64) + le<std::int64_t>(-5'000'000'000));
  b.set("a.f64", tag(GgufType::f64) + le(0.1));
  b.set("a.numbers", numbers({-1, 2, 3}));
  b.set("a.strings", texts({"", "two"}));
  b.set("a.nested", array(GgufType::array, 2,
                          tag(GgufType::u8) + le<std::uint64_t>(1) + "x" + tag(GgufType::string) +
                              le<std::uint64_t>(1) + gguf_string("y")));
  for (const std::uint32_t version : {2u, 3u}) {
    b.version = version;
    const std::string bytes = b.bytes();
    const auto parsed = parse_gguf(as_bytes(bytes), "m.gguf");
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    const auto json = [&](const char* key) { return to_json(*parsed->find(key)); };
    EXPECT_EQ(parsed->version, version);
    EXPECT_EQ(json("a.u8"), 200);
    EXPECT_EQ(json("a.s8"), -100);
    EXPECT_EQ(json("a.u16"), 60000);
    EXPECT_EQ(json("a.s16"), -30000);
    EXPECT_EQ(json("a.u32"), 4000000000u);
    EXPECT_EQ(json("a.s32"), -2000000000);
    EXPECT_EQ(json("a.f32"), 0.5);
    EXPECT_EQ(json("a.bool"), true);
    EXPECT_EQ(json("a.string"), "x\ny");
    EXPECT_EQ(json("a.u64"), ~std::uint64_t{0});
    EXPECT_EQ(json("a.s64"), -5'000'000'000);
    EXPECT_EQ(json("a.f64"), 0.1);
    EXPECT_EQ(integer_list(*parsed->find("a.numbers")), (std::vector<std::int64_t>{-1, 2, 3}));
    EXPECT_FALSE(integer_list(*parsed->find("a.strings")));
    EXPECT_EQ(string_list(*parsed->find("a.strings")), (std::vector<std::string>{"", "two"}));
    EXPECT_EQ(parsed->find("a.nested")->count, 2u);
    EXPECT_EQ(parsed->find("a.none"), nullptr);
    EXPECT_TRUE(parsed->tensors.empty());
  }
}

TEST(GgufTest, TensorsLieWhereTheFileSays) {
  GgufBuilder b;
  b.alignment = 8;
  b.set("general.alignment", u32(8));
  b.tensors = {{"a", {3, 2}, 0, floats({0, 1, 2, 3, 4, 5}), {}},
               {"b", {32, 1}, 8, std::string(34, '\x01'), {}},
               {"c", {2}, 30, std::string(4, '\x02'), {}}};
  const std::string bytes = b.bytes();
  const auto parsed = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  ASSERT_EQ(parsed->tensors.size(), 3u);
  EXPECT_EQ(parsed->tensors[0].dims, (Dims{2, 3}));
  EXPECT_EQ(std::memcmp(parsed->tensors[0].bytes.data(), b.tensors[0].data.data(), 24), 0);
  EXPECT_EQ(parsed->tensors[1].type, GgmlType::q8_0);
  EXPECT_EQ(parsed->tensors[1].bytes.size(), 34u);
  EXPECT_EQ(parsed->tensors[2].type, GgmlType::bf16);
  EXPECT_EQ(parsed->tensors[2].bytes[0], std::byte{2});
}

TEST(GgufTest, EveryTruncationIsRefused) {
  GgufBuilder b = tiny_gguf();
  b.set("tokenizer.ggml.tokens", texts({"a", "b"}));
  const std::string whole = b.bytes();
  ASSERT_TRUE(parse(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto parsed = parse(whole.substr(0, n));
    ASSERT_FALSE(parsed) << n << " bytes of " << whole.size();
    ASSERT_EQ(parsed.error().code, ErrorCode::corrupt) << parsed.error().message;
  }
}

TEST(GgufTest, EveryChangedHeaderByteIsSurvived) {
  const std::string whole = tiny_gguf().bytes();
  const std::size_t header = whole.find("token_embd") + 200;
  for (std::size_t i = 0; i < header; ++i)
    for (const char value : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
      std::string changed = whole;
      changed[i] = value;
      const auto parsed = parse(changed);  // must not crash; what comes out must be inside the file
      if (parsed)
        for (const GgufTensor& t : parsed->tensors) ASSERT_LE(t.bytes.size(), whole.size());
      else
        ASSERT_FALSE(parsed.error().message.empty());
    }
}

TEST(GgufTest, OtherFilesAreNamed) {
  EXPECT_THAT(refused("").message, HasSubstr("expected 4 bytes at 0, the file has 0 left"));
  EXPECT_THAT(refused("{\"a\":1}").message, HasSubstr("expected the file to start with \"GGUF\", found"));
  GgufBuilder b;
  b.version = 1;
  EXPECT_EQ(refused(b.bytes()).code, ErrorCode::unsupported);
  b.version = 4;
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("GGUF version: expected 2 or 3, found 4"));
  b.version = 0x03000000;
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("big endian"));
  b.version = 3;
  b.set("split.count", tag(GgufType::u16) + le<std::uint16_t>(3));
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("one of 3 files of a split model"));
}

TEST(GgufTest, HostileCounts) {
  for (const std::uint64_t count : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
    GgufBuilder b;
    b.set("k", u32(1));
    b.key_count = count;
    EXPECT_THAT(refused(b.bytes()).message, HasSubstr("key 2 of"));
    b = {};
    b.tensor_count = count;
    EXPECT_THAT(refused(b.bytes()).message, HasSubstr("tensor 1 of"));
    for (const GgufType type :
         {GgufType::u8, GgufType::u32, GgufType::f64, GgufType::string, GgufType::array}) {
      b = {};
      b.set("k", array(type, count, std::string(64, '\0')));
      EXPECT_THAT(refused(b.bytes()).message, HasSubstr("key \"k\"")) << name(type) << count;
    }
    b = {};
    b.set("k", tag(GgufType::string) + le(count) + "abc");
    EXPECT_THAT(refused(b.bytes()).message, HasSubstr("the file has 3 left"));
    const std::string long_name =
        "GGUF" + le<std::uint32_t>(3) + le<std::uint64_t>(0) + le<std::uint64_t>(1) + le(count);
    EXPECT_EQ(refused(long_name).code, ErrorCode::corrupt);
  }
}

TEST(GgufTest, BadKeys) {
  GgufBuilder b;
  b.keys = {{"k", u32(1)}, {"k", u32(2)}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("key \"k\": appears twice"));
  b.keys = {{"", u32(1)}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("key 1 of 1: name: expected 1 to 65535 bytes, found 0"));
  b.keys = {{std::string(65536, 'x'), u32(1)}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("found 65536"));
  b.keys = {{"k", le<std::uint32_t>(13) + le<std::uint64_t>(0)}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("type: expected 0 to 12, found 13"));
  b.keys = {{"k", tag(GgufType::boolean) + "\x02"}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("expected a boolean"));
  std::string nested = tag(GgufType::u8) + le<std::uint64_t>(0);
  for (int depth = 0; depth < 10000; ++depth) nested = tag(GgufType::array) + le<std::uint64_t>(1) + nested;
  b.keys = {{"k", tag(GgufType::array) + nested}};
  EXPECT_THAT(refused(b.bytes()).message, HasSubstr("arrays nested more than 4 deep"));
  for (const std::string& alignment : {u32(0), u32(24), u32(1u << 30), text("32"), numbers({32})}) {
    b.keys = {{"general.alignment", alignment}};
    EXPECT_THAT(refused(b.bytes()).message,
                HasSubstr("\"general.alignment\": expected a power of two up to 1048576"));
  }
}

TEST(GgufTest, BadTensors) {
  const auto with = [](std::vector<GgufBuilder::Tensor> tensors) {
    GgufBuilder b;
    b.tensors = std::move(tensors);
    return refused(b.bytes());
  };
  const std::string data(64, '\0');
  EXPECT_THAT(with({{"t", {4}, 0, data, {}}, {"t", {4}, 0, data, {}}}).message,
              HasSubstr("tensor \"t\": appears twice"));
  EXPECT_THAT(with({{"", {4}, 0, data, {}}}).message, HasSubstr("tensor 1 of 1: name"));
  EXPECT_THAT(with({{"t", {}, 0, data, {}}}).message, HasSubstr("expected 1 to 4 dimensions, found 0"));
  EXPECT_THAT(with({{"t", {1, 1, 1, 1, 1}, 0, data, {}}}).message,
              HasSubstr("expected 1 to 4 dimensions, found 5"));
  EXPECT_THAT(with({{"t", {0}, 0, data, {}}}).message, HasSubstr("dimension: expected 1 to"));
  EXPECT_THAT(with({{"t", {~std::uint64_t{0}}, 0, data, {}}}).message, HasSubstr("dimension: expected 1 to"));
  EXPECT_THAT(with({{"t", {1ull << 40, 1ull << 40}, 0, data, {}}}).message, HasSubstr("overflows"));
  EXPECT_THAT(with({{"t", {33}, 8, data, {}}}).message,
              HasSubstr("Q8_0 rows are whole blocks of 32 elements, found rows of 33"));
  EXPECT_THAT(with({{"t", {128, 2}, 12, data, {}}}).message, HasSubstr("Q4_K rows are whole blocks of 256"));
  EXPECT_THAT(with({{"t", {100}, 0, data, {}}}).message,
              HasSubstr("400 bytes at offset 0 end beyond the data, which has 64"));
  EXPECT_THAT(with({{"t", {4}, 0, data, 1ull << 63}}).message, HasSubstr("end beyond the data"));
  EXPECT_THAT(with({{"t", {4}, 0, data, 8}}).message,
              HasSubstr("offset: expected a multiple of 32, found 8"));
  EXPECT_THAT(with({{"t", {16}, 0, data, {}}, {"u", {4}, 0, data, 32}}).message,
              HasSubstr("tensor \"u\": starts at offset 32, inside tensor \"t\", which ends at 64"));
  const Error q5 = with({{"t", {256}, 13, data, {}}});
  EXPECT_EQ(q5.code, ErrorCode::unsupported);
  EXPECT_THAT(q5.message, AllOf(HasSubstr("tensor \"t\""), HasSubstr("Q4_K, Q6_K"), HasSubstr("found Q5_K")));
  EXPECT_THAT(with({{"t", {4}, 99, data, {}}}).message, HasSubstr("found type 99"));
}

}  // namespace
}  // namespace adder::formats
