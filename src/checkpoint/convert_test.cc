#include "checkpoint/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "checkpoint/gguf_testing.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::golden;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TempDirectory;
using testing::write_file;

std::vector<std::string> files_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void expect_same_tensors(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (std::size_t i = 0; i < a.entries().size(); ++i) {
    const auto &x = a.entries()[i], &y = b.entries()[i];
    EXPECT_EQ(x.field.name, y.field.name);
    EXPECT_EQ(x.view.shape, y.view.shape) << x.field.name;
    EXPECT_TRUE(std::ranges::equal(x.view.bytes, y.view.bytes)) << x.field.name;
  }
}

std::vector<std::byte> read_bytes(const formats::TensorView& view, DType dtype) {
  std::vector<std::byte> out(static_cast<std::size_t>(view.shape.elements() * byte_size(dtype)));
  EXPECT_TRUE(formats::read_as(view, dtype, out));
  return out;
}

class ConvertGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(ConvertGolden, NothingChangesUnlessAsked) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden(GetParam()));
  ASSERT_TRUE(source) << source.error().to_string();
  const auto report = convert(*source, dir / "out");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->files, 1);
  EXPECT_EQ(report->bytes, static_cast<std::uint64_t>(source->stored_bytes()));
  EXPECT_THAT(files_in(dir / "out"), ElementsAre("config.json", "model.safetensors"));
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  expect_same_tensors(*source, *copy);
  EXPECT_EQ(testing::fingerprint(*copy), testing::fingerprint(*source)) << "the config must say the same";
  EXPECT_EQ(copy->config().dialect, arch::Dialect::hugging_face);
  EXPECT_EQ(copy->config().eos_token_ids, source->config().eos_token_ids);
  for (const auto& entry : copy->entries()) EXPECT_EQ(entry.view.name, entry.field.name);
}

TEST_P(ConvertGolden, ShardsHoldTheSame) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden(GetParam()));
  ASSERT_TRUE(source);
  const auto report = convert(*source, dir / "out", {.max_shard_bytes = 100'000});
  ASSERT_TRUE(report) << report.error().to_string();
  ASSERT_GT(report->files, 1);
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  EXPECT_EQ(copy->format(), "safetensors, " + std::to_string(report->files) + " shards");
  expect_same_tensors(*source, *copy);
  for (const std::string& name : files_in(dir / "out")) {
    if (!name.ends_with(".safetensors")) continue;
    const auto shard = formats::SafetensorsFile::open(dir.path() / "out" / name);
    ASSERT_TRUE(shard) << shard.error().to_string();
    std::size_t bytes = 0;
    for (const formats::TensorView& view : (*shard)->tensors()) bytes += view.bytes.size();
    EXPECT_TRUE(bytes <= 100'000 || (*shard)->tensors().size() == 1) << name << " has " << bytes;
    EXPECT_EQ((*shard)->metadata().at("format"), "pt");
  }
  const Json index = Json::parse(read_file(dir.path() / "out" / "model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], report->bytes);
}

INSTANTIATE_TEST_SUITE_P(Goldens, ConvertGolden, ::testing::ValuesIn(testing::kGoldens),
                         testing::golden_test_name);

TEST(ConvertTest, Float32IsWhatTheLoaderWouldRead) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden("odd-shapes-f16-tiny"));
  ASSERT_TRUE(source);
  ASSERT_TRUE(convert(*source, dir / "out", {.dtype = DType::f32}));
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  for (std::size_t i = 0; i < copy->entries().size(); ++i) {
    const formats::TensorView& view = copy->entries()[i].view;
    EXPECT_EQ(view.shape.dtype, DType::f32);
    EXPECT_TRUE(std::ranges::equal(view.bytes, read_bytes(source->entries()[i].view, DType::f32)));
  }
}

TEST(ConvertTest, Bfloat16RoundsTheMatricesOnly) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden("limits-bias-tiny"));
  ASSERT_TRUE(source);
  ASSERT_TRUE(convert(*source, dir / "out", {.dtype = DType::bf16}));
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  EXPECT_EQ(copy->tensor("backbone.layers.0.mixer.A_log")->shape.dtype, DType::f32);
  EXPECT_EQ(copy->tensor("backbone.layers.0.mixer.conv1d.weight")->shape.dtype, DType::f32);
  for (const char* name : {"backbone.embeddings.weight", "backbone.layers.0.mixer.in_proj.weight",
                           "backbone.layers.0.mixer.out_proj.weight"}) {
    EXPECT_EQ(copy->tensor(name)->shape.dtype, DType::bf16) << name;
    EXPECT_TRUE(
        std::ranges::equal(copy->tensor(name)->bytes, read_bytes(*source->tensor(name), DType::bf16)));
  }
  EXPECT_THAT(read_file(dir.path() / "out" / "config.json"), HasSubstr("\"torch_dtype\": \"bfloat16\""));
}

TEST(ConvertTest, GgufIsWrittenAsItIsRead) {
  const TempDirectory dir;
  write_file(dir / "m.gguf", testing::tiny_gguf().bytes());
  const auto source = Checkpoint::open(dir / "m.gguf");
  ASSERT_TRUE(source) << source.error().to_string();
  ASSERT_TRUE(convert(*source, dir / "out", {.extra_files = {{"tokenizer.json", "{}"}}}));
  const auto copy = Checkpoint::open(dir / "out");
  ASSERT_TRUE(copy) << copy.error().to_string();
  ASSERT_EQ(copy->entries().size(), source->entries().size());
  for (std::size_t i = 0; i < copy->entries().size(); ++i) {
    const formats::TensorView &read = source->entries()[i].view, &written = copy->entries()[i].view;
    EXPECT_EQ(written.shape.dims, source->entries()[i].field.dims);
    EXPECT_TRUE(std::ranges::equal(read_bytes(written, DType::f32), read_bytes(read, DType::f32)))
        << read.name;
  }
  EXPECT_EQ(read_file(dir.path() / "out" / "tokenizer.json"), "{}");
}

TEST(ConvertTest, WhatBelongsToTheModelIsCopied) {
  const TempDirectory dir;
  const auto config = arch::parse_config(testing::tiny_config(), "c");
  ASSERT_TRUE(config);
  testing::write_checkpoint(dir, testing::tiny_config(), testing::tensors_for(**config));
  write_file(dir / "tokenizer.json", "{\"t\":1}");
  write_file(dir / "generation_config.json", "{\"temperature\":0.5}");
  write_file(dir / "README.md", "not part of it");
  const auto source = Checkpoint::open(dir.path());
  ASSERT_TRUE(source) << source.error().to_string();
  ASSERT_TRUE(convert(*source, dir / "a" / "b/", {.extra_files = {{"tokenizer.json", "another"}}}));
  EXPECT_THAT(files_in(dir / "a"), ElementsAre("b"));
  EXPECT_THAT(files_in(dir.path() / "a" / "b"),
              ElementsAre("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"));
  EXPECT_EQ(read_file(dir.path() / "a" / "b" / "tokenizer.json"), "{\"t\":1}");
}

TEST(ConvertTest, ASourceThatIsWrittenOverMeanwhileIsNoResult) {
  const TempDirectory dir;
  fs::copy(golden("hf-tiny"), dir / "in");
  const auto source = Checkpoint::open(dir / "in");
  ASSERT_TRUE(source) << source.error().to_string();
  const fs::path weights = dir / "in" / "model.safetensors";
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(5));
  EXPECT_THAT(convert(*source, dir / "out").error().message,
              HasSubstr(weights.string() + ": changed while it was being used"));
  EXPECT_THAT(files_in(dir.path()), ElementsAre("in"));
}

TEST(ConvertTest, NothingIsOverwrittenOrLeftHalfWritten) {
  const TempDirectory dir;
  const auto source = Checkpoint::open(golden("hf-tiny"));
  ASSERT_TRUE(source);
  fs::create_directory(dir / "full");
  write_file(dir.path() / "full" / "mine", "x");
  EXPECT_THAT(convert(*source, dir / "full").error().message, HasSubstr("exists and is not empty"));
  write_file(dir / "file", "x");
  EXPECT_THAT(convert(*source, dir / "file").error().message, HasSubstr("is not a directory"));
  EXPECT_THAT(convert(*source, dir.path() / "file" / "out").error().message,
              HasSubstr("cannot make a directory"));
  int asked = 0;
  const ConvertOptions cut{.cancelled = [&] { return ++asked > 10; }};
  EXPECT_EQ(convert(*source, dir / "cut", cut).error().code, ErrorCode::cancelled);
  EXPECT_EQ(convert(*source, dir / "x", {.dtype = DType::s16}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(convert(*source, dir / "x", {.max_shard_bytes = 0}).error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(files_in(dir.path()), ElementsAre("file", "full"));
  EXPECT_THAT(files_in(dir / "full"), ElementsAre("mine"));
  fs::create_directory(dir / "empty");
  EXPECT_TRUE(convert(*source, dir / "empty")) << "an empty directory may be filled";
}

arch::Mamba2 round_trip(const arch::Mamba2& config) {
  const std::string text = hugging_face_config(config, DType::f32);
  const auto json = parse_json(text, "t");
  EXPECT_TRUE(json) << text;
  const auto back = arch::parse_config(*json, "t");
  EXPECT_TRUE(back) << back.error().to_string();
  return back ? testing::mamba2(**back) : arch::Mamba2{};
}

TEST(HfConfigTest, EveryFieldComesBack) {
  arch::Mamba2 c;
  c.d_model = 48, c.n_layer = 3, c.d_inner = 72, c.n_heads = 9, c.head_dim = 8, c.n_groups = 3,
  c.d_state = 20, c.d_conv = 5, c.vocab_size = 501, c.padded_vocab_size = 512, c.norm_eps = 3.3e-6,
  c.dt_min = 0.001, c.dt_max = 0.1, c.use_bias = true, c.use_conv_bias = false, c.tie_embeddings = false,
  c.eos_token_ids = {2, 7}, c.bos_token_id = 1;
  const arch::Mamba2 back = round_trip(c);
  EXPECT_EQ(back.d_inner, 72) << "expand 1.5";
  EXPECT_EQ(back.n_heads, 9);
  EXPECT_EQ(back.head_dim, 8);
  EXPECT_EQ(back.n_groups, 3);
  EXPECT_EQ(back.d_state, 20);
  EXPECT_EQ(back.d_conv, 5);
  EXPECT_EQ(back.vocab_size, 501);
  EXPECT_EQ(back.padded_vocab_size, 512);
  EXPECT_EQ(back.norm_eps, 3.3e-6);
  EXPECT_EQ(back.dt_min, 0.001);
  EXPECT_EQ(back.dt_max, 0.1);
  EXPECT_TRUE(back.use_bias);
  EXPECT_FALSE(back.use_conv_bias);
  EXPECT_FALSE(back.tie_embeddings);
  EXPECT_THAT(back.eos_token_ids, ElementsAre(2, 7));
  EXPECT_EQ(back.bos_token_id, 1);
  EXPECT_EQ(back.pad_token_id, std::nullopt);
  c.d_model = 49, c.d_inner = 99, c.n_heads = 9, c.head_dim = 11, c.n_groups = 3;
  EXPECT_EQ(round_trip(c).d_inner, 99) << "99/49 is no binary fraction";
  c.dt_max = std::numeric_limits<double>::infinity();
  EXPECT_EQ(round_trip(c).dt_max, c.dt_max);
}

TEST(HfConfigTest, MoreIdsThanRowsAreRefused) {
  Json json = testing::tiny_config();
  json["unpadded_vocab_size"] = 11;
  EXPECT_THAT(arch::parse_config(json, "c").error().message, HasSubstr("unpadded_vocab_size"));
}

}  // namespace
}  // namespace adder::checkpoint
