#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "formats/testing.h"

namespace adder::formats {
namespace {

using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using testing::OwnedTensor;
using testing::safetensors_bytes;
using testing::TempDirectory;
using testing::write_file;

Result<SafetensorsContent> parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "f.safetensors");
}

TEST(SafetensorsTest, ReadsTensorsInDataOrder) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[0,4]},"empty":{"dtype":"F16","shape":[0,3],"data_offsets":[4,4]}})";
  const std::string bytes = safetensors_bytes(header, "abcdefghijkl");
  const auto content = parse(bytes);
  ASSERT_TRUE(content) << content.error().message;
  ASSERT_EQ(content->tensors.size(), 3u);
  EXPECT_EQ(content->tensors[0].name, "a");
  EXPECT_EQ(content->tensors[0].shape, (Shape{DType::s32, {}}));
  EXPECT_EQ(content->tensors[1].name, "empty");
  EXPECT_EQ(content->tensors[1].shape, (Shape{DType::f16, {0, 3}}));
  EXPECT_EQ(content->tensors[2].shape, (Shape{DType::f32, {2}}));
  EXPECT_EQ(std::memcmp(content->tensors[2].bytes.data(), "efghijkl", 8), 0);
  EXPECT_EQ(content->tensors[2].file, "f.safetensors");
  EXPECT_EQ(content->metadata, (Metadata{{"format", "pt"}}));
  EXPECT_TRUE(parse(safetensors_bytes("{}", "")));
  EXPECT_TRUE(parse(safetensors_bytes("{}      ", "")));
}

struct BadFile {
  const char* label;
  std::string bytes;
  std::vector<std::string> message;  // what it must say
  ErrorCode code = ErrorCode::corrupt;
};

std::string one(const std::string& entry, std::size_t data) {
  return safetensors_bytes("{\"w\":" + entry + "}", std::string(data, 'd'));
}

std::vector<BadFile> bad_files() {
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"empty", "", {"expected 8 bytes of header size, the file has 0 bytes"}},
      {"shorter_than_size_field", "abcdefg", {"the file has 7 bytes"}},
      {"header_larger_than_file", safetensors_bytes("{}", "", 1000), {"header size 1000", "only 2 bytes"}},
      {"header_size_overflows",
       safetensors_bytes("{}", "", ~std::uint64_t{0} - 1),
       {"header size 18446744073709551614"}},
      {"header_over_limit", safetensors_bytes("{}", "", 100'000'001), {"expected at most 100000000"}},
      {"header_empty", safetensors_bytes("", ""), {"does not start with"}},
      {"header_not_json",
       safetensors_bytes("{\"a\": oops}", ""),
       {"f.safetensors (header):1:7: not valid JSON"}},
      {"header_is_array", safetensors_bytes("[]", ""), {"does not start with"}},
      {"header_trailing_text", safetensors_bytes("{} x", ""), {"not valid JSON"}},
      {"header_truncated_json", safetensors_bytes("{\"a\":{", ""), {"not valid JSON"}},
      {"header_too_deep",
       safetensors_bytes("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", ""),
       {"nested deeper than 8"}},
      {"entry_not_object", one("[]", 0), {"tensor \"w\": expected an object, found an array of 0"}},
      {"dtype_missing",
       one(R"({"shape":[2],"data_offsets":[0,8]})", 8),
       {"\"w\"", "dtype: expected a string, found nothing"}},
      {"dtype_number",
       one(R"({"dtype":4,"shape":[2],"data_offsets":[0,8]})", 8),
       {"dtype: expected a string, found the number 4"}},
      {"dtype_unknown",
       one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})", 8),
       {"\"w\"", "\"F33\" is not one"}},
      {"dtype_unsupported",
       one(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})", 8),
       {"\"w\"", "\"F8_E4M3\" is not supported"},
       ErrorCode::unsupported},
      {"shape_missing",
       one(R"({"dtype":"F32","data_offsets":[0,8]})", 8),
       {"\"w\"", "shape: expected an array"}},
      {"shape_negative",
       one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8),
       {"shape", "found the number -2"}},
      {"shape_fraction",
       one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8),
       {"shape", "found the number 2"}},
      {"shape_infinite",
       one(R"({"dtype":"F32","shape":[Infinity],"data_offsets":[0,8]})", 8),
       {"shape", "inf"}},
      {"shape_overflows",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
       {"f32[4294967296,4294967296] overflows"}},
      {"shape_overflows_despite_zero",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]})", 0),
       {"overflows"}},
      {"shape_overflows_63_bits_despite_zero",
       one(R"({"dtype":"U8","shape":[4611686018427387904,2,0],"data_offsets":[0,0]})", 0),
       {"u8[4611686018427387904,2,0] overflows"}},
      {"shape_huge_number",
       one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]})", 8),
       {"shape"}},
      {"shape_disagrees",
       one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8),
       {"\"w\"", "f32[3] needs 12 bytes", "hold 8"}},
      {"offsets_missing",
       one(R"({"dtype":"F32","shape":[2]})", 8),
       {"\"w\"", "data_offsets: expected two numbers", "found nothing"}},
      {"offsets_negative",
       one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})", 8),
       {"data_offsets", "[-8,0]"}},
      {"offsets_three",
       one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,9]})", 8),
       {"data_offsets", "[0,8,9]"}},
      {"offsets_backwards",
       one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8),
       {"[8,0] run backwards"}},
      {"offsets_out_of_range", one(good, 4), {"\"w\"", "[0,8] are out of range", "4 bytes of data"}},
      {"offsets_wildly_out_of_range",
       one(R"({"dtype":"U8","shape":[9223372036854775],"data_offsets":[0,9223372036854775]})", 4),
       {"out of range"}},
      {"offsets_gap",
       one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})", 12),
       {"\"w\"", "leave a gap; expected to start at 0"}},
      {"data_trailing", one(good, 11), {"3 bytes follow the last tensor"}},
      {"data_without_tensors", safetensors_bytes("{}", "x"), {"1 bytes follow"}},
      {"offsets_overlap",
       safetensors_bytes(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                         R"("b":{"dtype":"U8","shape":[6],"data_offsets":[4,10]}})",
                         std::string(10, 'd')),
       {"\"b\"", "[4,10] overlap tensor \"a\", which ends at 6"}},
      {"offsets_identical",
       safetensors_bytes(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                         R"("b":{"dtype":"U8","shape":[6],"data_offsets":[0,6]}})",
                         std::string(6, 'd')),
       {"overlap"}},
      {"name_twice",
       safetensors_bytes("{\"w\":" + good + ",\"w\":" + good + "}", std::string(8, 'd')),
       {"\"w\" appears twice"}},
      {"metadata_not_object",
       safetensors_bytes(R"({"__metadata__":3})", ""),
       {"__metadata__: expected an object"}},
      {"metadata_not_text",
       safetensors_bytes(R"({"__metadata__":{"a":1}})", ""),
       {"__metadata__.\"a\": expected a string"}},
  };
}

class BadSafetensorsTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensorsTest, IsRefusedWithAReason) {
  const BadFile& bad = GetParam();
  const auto result = parse(bad.bytes);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, bad.code);
  EXPECT_THAT(result.error().message, HasSubstr("f.safetensors"));
  for (const std::string& part : bad.message) EXPECT_THAT(result.error().message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(Files, BadSafetensorsTest, ::testing::ValuesIn(bad_files()),
                         [](const auto& p) { return std::string(p.param.label); });

TEST(SafetensorsTest, EveryTruncationOfARealFileIsRefused) {
  const std::string bytes = testing::read_file(golden("odd-shapes-f16-tiny") / "model.safetensors");
  ASSERT_TRUE(parse(bytes));
  for (std::size_t size = 0; size < bytes.size(); size += size < 3000 ? 1 : 997)
    ASSERT_FALSE(parse_safetensors(std::as_bytes(std::span(bytes)).first(size), "f")) << size;
}

TEST(SafetensorsTest, OpenMapsAFileAndFindsByName) {
  const auto file = SafetensorsFile::open(golden("hf-tiny") / "model.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->tensors().size(), 29u);
  const TensorView* view = (*file)->find("backbone.layers.2.mixer.conv1d.weight");
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->shape, (Shape{DType::f32, {192, 1, 4}}));
  const std::vector<std::byte> before(view->bytes.begin(), view->bytes.end());
  (*file)->release(*view);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), view->bytes.begin()));
  EXPECT_EQ((*file)->find("backbone.layers.3.mixer.conv1d.weight"), nullptr);
  EXPECT_EQ(SafetensorsFile::open("/no/such.safetensors").error().code, ErrorCode::not_found);
}

TEST(SafetensorsWriterTest, HeaderIsAlignedAndTensorsAreNaturallyAligned) {
  const TempDirectory dir;
  std::vector<OwnedTensor> owned;
  owned.emplace_back("bytes", Shape{DType::u8, {3}}, 'a');
  owned.emplace_back("halves", Shape{DType::f16, {5}}, 'b');
  owned.emplace_back("longs", Shape{DType::s64, {2}}, 'c');
  testing::write_tensors(dir / "x.safetensors", owned);
  const std::string bytes = testing::read_file(dir / "x.safetensors");
  EXPECT_EQ((static_cast<unsigned char>(bytes[0]) + 8) % 64, 0);
  const auto file = SafetensorsFile::open(dir / "x.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  for (const TensorView& t : (*file)->tensors())
    EXPECT_EQ(
        reinterpret_cast<std::uintptr_t>(t.bytes.data()) % static_cast<std::size_t>(byte_size(t.shape.dtype)),
        0u);
}

std::size_t misalignment(const TensorView& view) {
  return reinterpret_cast<std::uintptr_t>(view.bytes.data()) % 64;  // files are mapped at page boundaries
}

TEST(SafetensorsWriterTest, MultiplesOf64BytesAreAlignedToThem) {
  const TempDirectory dir;
  for (std::size_t length = 1; length < 70; ++length) {  // headers of every length
    std::vector<OwnedTensor> owned;
    owned.emplace_back(std::string(length, 'n'), Shape{DType::f64, {3}}, 'a');
    owned.emplace_back("int8", Shape{DType::s8, {3, 64}}, 'b');
    owned.emplace_back("odd", Shape{DType::f32, {5}}, 'c');
    owned.emplace_back("bf16", Shape{DType::bf16, {32}}, 'd');
    owned.emplace_back("f32", Shape{DType::f32, {2, 16}}, 'e');
    testing::write_tensors(dir / "x.safetensors", owned);
    const auto file = SafetensorsFile::open(dir / "x.safetensors");
    ASSERT_TRUE(file) << file.error().message;
    for (const char* name : {"int8", "bf16", "f32"})
      EXPECT_EQ(misalignment(*(*file)->find(name)), 0u) << name << ", length " << length;
    EXPECT_EQ(misalignment(*(*file)->find("odd")) % 4, 0u);
    for (const OwnedTensor& t : owned)
      EXPECT_TRUE(std::ranges::equal((*file)->find(t.name)->bytes, std::as_bytes(std::span(t.data))));
  }
}

TEST(SafetensorsTest, SharedBytesOutliveTheFileAndItsReplacement) {
  const TempDirectory dir;
  testing::write_tensors(dir / "x.safetensors", {OwnedTensor("w", {DType::s8, {4096 * 3}}, 'a')});
  auto file = SafetensorsFile::open(dir / "x.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const std::shared_ptr<const std::byte> shared = (*file)->share(*(*file)->find("w"));
  file->reset();
  testing::write_tensors(dir / "x.safetensors", {OwnedTensor("w", {DType::s8, {1}}, 'b')});  // renames
  ASSERT_NE(shared, nullptr);
  EXPECT_TRUE(
      std::all_of(shared.get(), shared.get() + 4096 * 3, [](std::byte b) { return b == std::byte{'a'}; }));
}

TEST(SafetensorsWriterTest, RefusesWhatTheFormatCannotHold) {
  const TempDirectory dir;
  const auto path = dir / "x.safetensors";
  write_file(path, "old");
  const auto write = [&](std::vector<TensorHeader> headers, std::size_t bytes) {
    const std::string data(bytes, 'x');
    return write_safetensors(path, headers, [&](std::size_t, const ByteSink& sink) {
      return sink(std::as_bytes(std::span(data)));
    });
  };
  const Shape four{DType::u8, {4}};
  EXPECT_THAT(write({{"a", four}, {"a", four}}, 4).error().message, HasSubstr("given twice"));
  EXPECT_THAT(write({{"__metadata__", four}}, 4).error().message, HasSubstr("reserved"));
  EXPECT_THAT(write({{"\xff", four}}, 4).error().message, HasSubstr("not UTF-8"));
  EXPECT_THAT(write({{"a", {DType::u8, {-1}}}}, 4).error().message, HasSubstr("negative dimension"));
  EXPECT_THAT(write({{"a", four}}, 3).error().message,
              AllOf(HasSubstr("\"a\""), HasSubstr("needs 4 bytes, given 3")));
  EXPECT_EQ(testing::read_file(path), "old");
  EXPECT_TRUE(write({{"a", four}, {"b", four}}, 4));
}

RC_GTEST_PROP(SafetensorsProperty, WhatIsWrittenIsReadBack, ()) {
  const auto names = *rc::gen::container<std::set<std::string>>(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab./\"\\\n \x7f"))));
  std::vector<OwnedTensor> owned;
  std::map<std::string, std::size_t> index;
  for (const std::string& name : names) {
    const auto dtype = static_cast<DType>(*rc::gen::inRange(0, 13));
    const Dims dims = *rc::gen::container<Dims>(rc::gen::inRange<std::int64_t>(0, 4));
    if (dims.size() > 4) continue;
    index[name] = owned.size();
    owned.emplace_back(name, Shape{dtype, dims}, *rc::gen::arbitrary<char>());
  }
  const TempDirectory dir;
  const Metadata metadata{{"format", "pt"}, {"k\"ey", "v\nalue"}};
  std::vector<TensorView> views;
  for (const OwnedTensor& t : owned) views.push_back(t.view());
  RC_ASSERT(static_cast<bool>(write_safetensors(dir / "x", views, metadata)));
  const auto file = SafetensorsFile::open(dir / "x");
  RC_ASSERT(file.has_value());
  RC_ASSERT((*file)->metadata() == metadata);
  RC_ASSERT((*file)->tensors().size() == owned.size());
  for (const auto& [name, i] : index) {
    const TensorView* view = (*file)->find(name);
    RC_ASSERT(view != nullptr);
    RC_ASSERT(view->shape == owned[i].shape);
    RC_ASSERT(std::memcmp(view->bytes.data(), owned[i].data.data(), view->bytes.size()) == 0);
  }
}

RC_GTEST_PROP(SafetensorsProperty, DamagedHeadersNeverEscapeTheFile, ()) {
  static const std::string original = testing::read_file(golden("odd-shapes-f16-tiny") / "model.safetensors");
  std::string bytes = original;
  const int changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, 8 + 2096);
    bytes[at] =
        *rc::gen::oneOf(rc::gen::elementOf(std::string("0123456789[]{},:\"-eF")), rc::gen::arbitrary<char>());
  }
  const auto content = parse(bytes);
  if (!content) {
    RC_ASSERT(!content.error().message.empty());
    return;
  }
  std::size_t total = 0;
  for (const TensorView& t : content->tensors) {
    RC_ASSERT(static_cast<std::size_t>(t.shape.bytes()) == t.bytes.size());
    RC_ASSERT(t.bytes.data() >= reinterpret_cast<const std::byte*>(bytes.data()));
    RC_ASSERT(t.bytes.data() + t.bytes.size() <=
              reinterpret_cast<const std::byte*>(bytes.data()) + bytes.size());
    total += t.bytes.size();
  }
  RC_ASSERT(total < bytes.size());
}

}  // namespace
}  // namespace adder::formats
