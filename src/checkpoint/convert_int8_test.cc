// convert() to int8 and back, and the config that goes with it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "checkpoint/convert.h"
#include "checkpoint/gguf_testing.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/testing.h"
#include "formats/encoding.h"
#include "formats/int8_rows.h"

namespace adder::checkpoint {
namespace {

using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using testing::quantised;
using testing::read_file;
using testing::TempDirectory;
using testing::write_file;

ConvertOptions int8_options(std::uint64_t shard = 5'000'000'000) {
  return {.dtype = DType::s8, .max_shard_bytes = shard};
}

std::vector<float> floats_of(const formats::TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.shape.elements()));
  EXPECT_TRUE(formats::read_as_f32(view, out));
  return out;
}

// Quantising while loading and loading what was quantised give the same bytes; the rest is untouched.
void expect_quantised(const Checkpoint& source, const Checkpoint& copy) {
  ASSERT_EQ(source.entries().size(), copy.entries().size());
  for (std::size_t i = 0; i < source.entries().size(); ++i) {
    const auto &from = source.entries()[i], &to = copy.entries()[i];
    ASSERT_EQ(from.field.name, to.field.name);
    if (from.field.matrix) {
      EXPECT_EQ(to.view.encoding, formats::Encoding::int8_rows) << to.field.name;
      EXPECT_EQ(quantised(from.view), quantised(to.view)) << to.field.name;
    } else {
      EXPECT_EQ(to.view.shape, from.view.shape) << to.field.name;
      EXPECT_EQ(floats_of(from.view), floats_of(to.view)) << to.field.name;
    }
  }
}

class ConvertInt8Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(ConvertInt8Golden, QuantisedFilesAreWhatTheLoaderWouldQuantise) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden(GetParam()));
  ASSERT_TRUE(source) << source.error().to_string();
  const auto report = convert(*source, dir / "whole", int8_options());
  ASSERT_TRUE(report) << report.error().to_string();
  const auto whole = Checkpoint::open(dir / "whole");
  ASSERT_TRUE(whole) << whole.error().to_string();
  expect_quantised(*source, *whole);
  EXPECT_EQ(report->bytes, static_cast<std::uint64_t>(whole->stored_bytes()));
  EXPECT_LT(whole->stored_bytes(), source->stored_bytes());

  const auto sharded_report = convert(*source, dir / "sharded", int8_options(40'000));
  ASSERT_TRUE(sharded_report) << sharded_report.error().to_string();
  EXPECT_GT(sharded_report->files, 1);
  const auto sharded = Checkpoint::open(dir / "sharded");
  ASSERT_TRUE(sharded) << sharded.error().to_string();
  EXPECT_EQ(testing::fingerprint(*sharded), testing::fingerprint(*whole));
  for (const auto& entry : sharded->entries())
    if (entry.view.encoding == formats::Encoding::int8_rows) {
      EXPECT_NE(sharded->store().find(entry.field.name + "_scale"), nullptr);
    }

  ASSERT_TRUE(convert(*whole, dir / "again", int8_options()));
  ASSERT_TRUE(convert(*sharded, dir / "kept"));
  EXPECT_EQ(testing::fingerprint(*Checkpoint::open(dir / "again")), testing::fingerprint(*whole));
  EXPECT_EQ(read_file(dir.path() / "kept" / "model.safetensors"),
            read_file(dir.path() / "whole" / "model.safetensors"));
  EXPECT_EQ(read_file(dir.path() / "kept" / "config.json"), read_file(dir.path() / "whole" / "config.json"));
}

INSTANTIATE_TEST_SUITE_P(Goldens, ConvertInt8Golden, ::testing::ValuesIn(testing::kGoldens),
                         testing::golden_test_name);

TEST(ConvertInt8Test, GgufQuantisesAsWell) {
  const TempDirectory dir;
  write_file(dir / "m.gguf", testing::tiny_gguf().bytes());
  const auto source = Checkpoint::open(dir / "m.gguf");
  ASSERT_TRUE(source) << source.error().to_string();
  ASSERT_TRUE(convert(*source, dir / "out", int8_options()));
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  expect_quantised(*source, *copy);
}

TEST(ConvertInt8Test, ATiedHeadIsNotWrittenAndASeparateOneIs) {
  for (const char* name : {"hf-tiny", "grouped-sharded-bf16-tiny", "limits-bias-tiny"}) {
    const TempDirectory dir;
    const auto source = Checkpoint::open(golden(name));
    ASSERT_TRUE(source);
    ASSERT_TRUE(convert(*source, dir / "out", int8_options()));
    const auto copy = Checkpoint::open(dir / "out");
    ASSERT_TRUE(copy) << copy.error().to_string();
    EXPECT_EQ(copy->config().tie_embeddings, source->config().tie_embeddings);
    for (const char* head : {"lm_head.weight", "lm_head.weight_scale"})
      EXPECT_EQ(copy->store().find(head) != nullptr, !source->config().tie_embeddings) << name;
  }
}

TEST(ConvertInt8Test, FloatsComeBackFromInt8) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden("hf-tiny"));
  ASSERT_TRUE(source);
  ASSERT_TRUE(convert(*source, dir / "int8", int8_options()));
  const auto int8 = Checkpoint::open(dir / "int8");
  ASSERT_TRUE(int8) << int8.error().to_string();
  ASSERT_TRUE(convert(*int8, dir / "f32", {.dtype = DType::f32}));
  const auto wide = Checkpoint::open(dir / "f32");
  ASSERT_TRUE(wide) << wide.error().to_string();
  for (std::size_t i = 0; i < wide->entries().size(); ++i) {
    EXPECT_EQ(wide->entries()[i].view.encoding, formats::Encoding::dense);
    EXPECT_EQ(floats_of(wide->entries()[i].view), floats_of(int8->entries()[i].view));
  }
  EXPECT_EQ(read_file(dir.path() / "f32" / "config.json").find("quantization_config"), std::string::npos);
}

TEST(ConvertInt8Test, AWeightThatIsNotFiniteLeavesNothingBehind) {
  const TempDirectory dir;
  const Json config = testing::tiny_config();
  std::vector<testing::OwnedTensor> tensors = testing::tensors_for(**arch::parse_config(config, "c"));
  const float nan = std::nanf("");
  std::memcpy(tensors[0].data.data() + 20, &nan, sizeof nan);
  testing::write_checkpoint(dir, config, tensors);
  const auto source = Checkpoint::open(dir.path());
  ASSERT_TRUE(source) << source.error().to_string();
  const auto report = convert(*source, dir / "out", int8_options());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::corrupt);
  EXPECT_THAT(report.error().message, AllOf(HasSubstr(tensors[0].name), HasSubstr("row 0, column 5")));
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"config.json", "model.safetensors"}));
}

Json int8_config() {
  const auto config = arch::parse_config(testing::tiny_config(), "c");
  return *parse_json(hugging_face_config(**config, DType::f32, true), "c");
}

TEST(QuantizationConfigTest, WhatConvertWritesIsRead) {
  Json json = testing::tiny_config();
  json["quantization_config"] = Json::parse(R"({"quant_method":"compressed-tensors","format":"int-quantized",
    "quantization_status":"compressed","ignore":["lm_head"],"kv_cache_scheme":null,
    "global_compression_ratio":1.27,"sparsity_config":{},"transform_config":{},"version":"0.13.0",
    "config_groups":{"group_0":{"targets":["Linear"],"format":"int-quantized","output_activations":null,
      "weights":{"actorder":null,"block_structure":null,"dynamic":false,"group_size":null,"num_bits":8,
        "observer":"minmax","observer_kwargs":{},"strategy":"channel","symmetric":true,"type":"int"},
      "input_activations":{"actorder":null,"dynamic":true,"num_bits":8,"observer":null,"observer_kwargs":{},
        "strategy":"token","symmetric":true,"type":"int"}}}})");
  EXPECT_TRUE(arch::parse_config(json, "c")) << arch::parse_config(json, "c").error().to_string();
  json["quantization_config"] = nullptr;
  EXPECT_TRUE(arch::parse_config(json, "c"));
}

TEST(QuantizationConfigTest, OtherMethodsAreNamedInOneSentence) {
  for (const char* method : {"gptq", "awq", "bitsandbytes", "fp8", "torchao", "hqq"}) {
    Json json = testing::tiny_config();
    json["quantization_config"] = {{"quant_method", method}, {"bits", 4}, {"format", 7}};
    const auto config = arch::parse_config(json, "config.json");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, ErrorCode::unsupported);
    EXPECT_EQ(config.error().message,
              std::string("config.json: quantization_config.quant_method: the weights are quantised by \"") +
                  method + "\"; expected \"compressed-tensors\" with format \"int-quantized\"");
  }
}

struct Change {
  const char* label;
  const char* pointer;
  Json value;
  const char* says;
  ErrorCode code = ErrorCode::unsupported;
  friend std::ostream& operator<<(std::ostream& out, const Change& change) { return out << change.label; }
};

class ChangedQuantization : public ::testing::TestWithParam<Change> {};

TEST_P(ChangedQuantization, IsRefused) {
  Json json = testing::tiny_config();
  json["quantization_config"] = int8_config()["quantization_config"];
  ASSERT_TRUE(arch::parse_config(json, "c")) << arch::parse_config(json, "c").error().to_string();
  json["quantization_config"][Json::json_pointer(GetParam().pointer)] = GetParam().value;
  const auto config = arch::parse_config(json, "c");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, GetParam().code);
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ChangedQuantization,
    ::testing::Values(
        Change{"packed", "/format", "pack-quantized", "format: expected \"int-quantized\""},
        Change{"method", "/quant_method", nullptr, "quant_method: expected a string", ErrorCode::corrupt},
        Change{"bits", "/config_groups/group_0/weights/num_bits", 4, "num_bits: expected 8, found 4"},
        Change{"float", "/config_groups/group_1/weights/type", "float", "type: expected \"int\""},
        Change{"zero_points", "/config_groups/group_0/weights/symmetric", false, "symmetric"},
        Change{"groups", "/config_groups/group_0/weights/strategy", "group",
               "strategy: expected \"channel\""},
        Change{"fixed", "/config_groups/group_0/input_activations/dynamic", false, "fixed beforehand"},
        Change{"outputs", "/config_groups/group_0/output_activations", Json::object(), "output_activations"},
        Change{"scheme", "/config_groups/group_0", 3, "expected an object", ErrorCode::corrupt},
        Change{"weights", "/config_groups/group_0/weights", 3, "expected an object", ErrorCode::corrupt},
        Change{"mixed", "/config_groups/group_0/format", "float-quantized", "format: expected"},
        Change{"rotated", "/transform_config", Json{{"config_groups", 1}}, "rotated"},
        Change{"sparse", "/sparsity_config", Json{{"format", "sparse-24-bitmask"}},
               "sparsity_config.format"}),
    [](const auto& change) { return change.param.label; });

TEST(QuantizationConfigTest, SomethingElseInItsPlaceIsCorrupt) {
  Json json = testing::tiny_config();
  json["compression_config"] = 8;
  EXPECT_THAT(arch::parse_config(json, "c").error().message,
              HasSubstr("compression_config: expected an object"));
}

}  // namespace
}  // namespace adder::checkpoint
