
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_testing.h"
#include "formats/encoding.h"

namespace adder::checkpoint {
namespace {

using namespace testing;  // NOLINT: this room's builders
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GgufModelTest : public ::testing::Test {
 protected:
  Result<Checkpoint> open(const GgufBuilder& b) {
    write_file(dir / "m.gguf", b.bytes());
    return Checkpoint::open(dir / "m.gguf");
  }
  Error refused(const GgufBuilder& b) {
    const auto opened = open(b);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }
  TempDirectory dir;
};

std::vector<float> read(const Checkpoint& c, const std::string& name) {
  const formats::TensorView view = c.tensor(name).value();
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  EXPECT_TRUE(formats::read_as_f32(view, values));
  return values;
}

TEST_F(GgufModelTest, ConfigComesFromTheKeys) {
  const auto c = open(tiny_gguf());
  ASSERT_TRUE(c) << c.error().to_string();
  const arch::Mamba2& config = mamba2(c->config());
  EXPECT_EQ(config.dialect, arch::Dialect::gguf);
  EXPECT_EQ(config.d_model, 8);
  EXPECT_EQ(config.n_layer, 2);
  EXPECT_EQ(config.d_inner, 16);
  EXPECT_EQ(config.n_heads, 4);
  EXPECT_EQ(config.head_dim, 4);
  EXPECT_EQ(config.n_groups, 2);
  EXPECT_EQ(config.d_state, 4);
  EXPECT_EQ(config.d_conv, 4);
  EXPECT_EQ(config.vocab_size, 10);
  EXPECT_EQ(config.padded_vocab_size, 10);
  EXPECT_EQ(config.norm_eps, 1e-5);
  EXPECT_TRUE(config.tie_embeddings);
  EXPECT_TRUE(config.use_conv_bias);
  EXPECT_TRUE(config.has_gated_norm);
  EXPECT_FALSE(config.use_bias);
  EXPECT_EQ(c->format(), "GGUF version 3");
  EXPECT_EQ(c->directory(), dir.path());
}

TEST_F(GgufModelTest, TensorsHaveOurNamesAndShapes) {
  const auto c = open(tiny_gguf());
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_EQ(c->tensor("backbone.layers.1.mixer.conv1d.weight")->shape.dims, (Dims{32, 1, 4}));
  EXPECT_EQ(c->tensor("backbone.layers.1.mixer.in_proj.weight")->shape.dims, (Dims{52, 8}));
  EXPECT_EQ(c->tensor("backbone.layers.1.mixer.norm.weight")->shape.dims, (Dims{16}));
  EXPECT_EQ(c->tensor("backbone.layers.0.mixer.D")->name, "blk.0.ssm_d");
  EXPECT_THAT(read(*c, "backbone.layers.0.mixer.D"), ElementsAre(0, 0.125f, 0.25f, 0.375f));
  EXPECT_EQ(read(*c, "backbone.embeddings.weight")[79], 79.f / 8);
  for (const Checkpoint::Entry& e : c->entries()) EXPECT_EQ(e.view.name, e.field.gguf);
}

TEST_F(GgufModelTest, ADirectoryWithOneGgufFileNeedsNothingElse) {
  ASSERT_TRUE(open(tiny_gguf()));
  EXPECT_TRUE(Checkpoint::open(dir.path()));
  write_file(dir / "other.gguf", tiny_gguf().bytes());
  EXPECT_THAT(formats::TensorStore::open(dir.path()).error().message,
              AllOf(HasSubstr("expected one GGUF file, found 2"), HasSubstr("m.gguf and other.gguf")));
}

// The same model in both formats: every tensor bit for bit, and so the same fingerprint.
TEST_F(GgufModelTest, EqualsSafetensors) {
  const auto gguf = open(tiny_gguf());
  ASSERT_TRUE(gguf) << gguf.error().to_string();
  const TempDirectory other;
  std::vector<OwnedTensor> tensors;
  for (const Checkpoint::Entry& e : gguf->entries()) {
    OwnedTensor t(e.field.name, e.view.shape);
    ASSERT_TRUE(formats::read_as(e.view, DType::f32, std::as_writable_bytes(std::span(t.data))));
    tensors.push_back(std::move(t));
  }
  write_checkpoint(other, tiny_config(), tensors);
  const auto plain = Checkpoint::open(other.path());
  ASSERT_TRUE(plain) << plain.error().to_string();
  EXPECT_EQ(plain->parameter_count(), gguf->parameter_count());
  EXPECT_EQ(plain->stored_bytes(), gguf->stored_bytes());
  EXPECT_EQ(testing::fingerprint(*plain), testing::fingerprint(*gguf));
  for (const Checkpoint::Entry& e : plain->entries())
    EXPECT_EQ(read(*plain, e.field.name), read(*gguf, e.field.name));
}

TEST_F(GgufModelTest, WritingViewsExpandsThem) {
  const auto gguf = open(tiny_gguf());
  ASSERT_TRUE(gguf);
  const formats::TensorView view = gguf->tensor("backbone.layers.0.mixer.A_log").value();
  ASSERT_TRUE(formats::write_safetensors(dir / "a.safetensors", std::span(&view, 1)));
  const auto file = formats::SafetensorsFile::open(dir / "a.safetensors");
  std::vector<float> values(4);
  ASSERT_TRUE(formats::read_as_f32((*file)->tensors()[0], values));
  EXPECT_EQ(values, read(*gguf, "backbone.layers.0.mixer.A_log"));
}

// tools/make_gguf.py tests/goldens/hf-tiny: written by the PyPI package gguf, matrices in Q4_0.
TEST(GgufFileTest, WhatThePackageWritesIsRead) {
  const auto gguf = Checkpoint::open(golden("gguf") / "hf-tiny-q4_0.gguf");
  ASSERT_TRUE(gguf) << gguf.error().to_string();
  const auto plain = Checkpoint::open(golden("hf-tiny"));
  ASSERT_TRUE(plain) << plain.error().to_string();
  EXPECT_EQ(gguf->config().vocab_size, plain->config().vocab_size);
  EXPECT_EQ(gguf->config().eos_token_ids, plain->config().eos_token_ids);
  EXPECT_EQ(gguf->parameter_count(), plain->parameter_count());
  EXPECT_LT(gguf->stored_bytes(), plain->stored_bytes() / 5);
  for (const Checkpoint::Entry& e : plain->entries()) {
    const std::vector<float> expected = read(*plain, e.field.name), found = read(*gguf, e.field.name);
    const bool quantised = gguf->tensor(e.field.name)->encoding == formats::Encoding::q4_0;
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t block = 0; block < found.size(); block += 32) {
      const std::size_t end = std::min(block + 32, found.size());
      float largest = 0;
      for (std::size_t i = block; i < end; ++i) largest = std::max(largest, std::abs(expected[i]));
      // A step is an eighth of the block's largest value; -8 to 7 steps, so the far end may miss by a whole
      // one. Where quantisation plays no part only A_log may be off, by what float32 cannot tell.
      const bool decay = e.field.read == arch::Read::decay;
      for (std::size_t i = block; i < end; ++i)
        ASSERT_LE(std::abs(found[i] - expected[i]), quantised ? largest / 8 * 1.01f
                                                    : decay   ? 2e-7f
                                                              : 0.f)
            << e.field.name << " " << i;
    }
  }
}

// A_log -> -exp, rounded once -> log, rounded once. From 1 on that is the identity; below, float32 has
// several A_log for one A, and what comes back is one of them.
TEST(DecayTest, ALogComesBack) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> magnitude(0, 4);
  for (int i = 0; i < 200000; ++i) {
    const float a_log = i % 2 == 0 ? magnitude(random) : -magnitude(random);
    const auto stored = static_cast<float>(-std::exp(static_cast<double>(a_log)));
    const formats::TensorView view{.name = "a",
                                   .shape = {DType::f32, {1}},
                                   .bytes = std::as_bytes(std::span(&stored, 1)),
                                   .file = {},
                                   .encoding = formats::Encoding::negative_exp};
    float back = 0;
    ASSERT_TRUE(formats::read_as_f32(view, {&back, 1}));
    ASSERT_EQ(static_cast<float>(-std::exp(static_cast<double>(back))), stored) << a_log;
    ASSERT_TRUE(back == a_log || std::abs(a_log) < 1) << a_log;
  }
}

TEST(DecayTest, ReadDecayIsTheSameForBothFormats) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(-4, 4);
  std::vector<float> a_log(10000), stored(a_log.size()), one(a_log.size()), two(a_log.size());
  for (float& a : a_log) a = uniform(random);
  std::transform(a_log.begin(), a_log.end(), stored.begin(),
                 [](float a) { return static_cast<float>(-std::exp(static_cast<double>(a))); });
  formats::TensorView view{.name = "a",
                           .shape = {DType::f32, {static_cast<std::int64_t>(a_log.size())}},
                           .bytes = std::as_bytes(std::span(a_log)),
                           .file = {}};
  ASSERT_TRUE(formats::read_decay(view, one));
  view.bytes = std::as_bytes(std::span(stored));
  view.encoding = formats::Encoding::negative_exp;
  ASSERT_TRUE(formats::read_decay(view, two));
  EXPECT_EQ(one, two);
  EXPECT_EQ(two, stored);
  EXPECT_EQ(formats::read_decay(view, std::span(two).first(3)).error().code, ErrorCode::invalid_argument);
}

TEST_F(GgufModelTest, DecayMustBeNegative) {
  GgufBuilder b = tiny_gguf();
  b.tensor("blk.1.ssm_a").data = floats({-1, 0.5f, -1, -1});
  EXPECT_THAT(refused(b).message,
              AllOf(HasSubstr("m.gguf"), HasSubstr("\"blk.1.ssm_a\": element 1"), HasSubstr("found 0.5")));
  b.tensor("blk.1.ssm_a").data = floats({-1, -1, -1, std::nanf("")});
  EXPECT_THAT(refused(b).message, HasSubstr("element 3"));
  b.tensor("blk.1.ssm_a").data = floats({-1, -1, -INFINITY, -1});
  EXPECT_THAT(refused(b).message, HasSubstr("element 2"));
  b = tiny_gguf();
  b.tensor("blk.1.ssm_a").type = 1;
  EXPECT_THAT(refused(b).message, HasSubstr("\"blk.1.ssm_a\": type: expected F32, found F16"));
}

TEST_F(GgufModelTest, OtherModelsAreRefusedByName) {
  GgufBuilder b = tiny_gguf();
  b.set("general.architecture", text("llama"));
  EXPECT_EQ(refused(b).code, ErrorCode::unsupported);
  EXPECT_THAT(refused(b).message,
              HasSubstr("key \"general.architecture\": \"llama\": this is another architecture"));
  b.set("general.architecture", u32(2));
  EXPECT_THAT(refused(b).message,
              HasSubstr("\"general.architecture\": expected a string, found the number 2"));
  b.drop("general.architecture");
  EXPECT_THAT(refused(b).message, HasSubstr("expected a string, found nothing"));
}

TEST_F(GgufModelTest, AllBadKeysInOneMessage) {
  GgufBuilder b = tiny_gguf();
  b.drop("mamba2.block_count");
  b.set("mamba2.embedding_length", text("8"));
  b.set("mamba2.ssm.state_size", u32(0));
  b.set("mamba2.ssm.conv_kernel", numbers({4}));
  const Error e = refused(b);
  EXPECT_EQ(e.code, ErrorCode::corrupt);
  EXPECT_THAT(e.message, AllOf(HasSubstr("m.gguf"),
                               HasSubstr("mamba2.block_count: expected a whole number, found nothing"),
                               HasSubstr("mamba2.embedding_length: expected a whole number"),
                               HasSubstr("found the string \"8\""), HasSubstr("mamba2.ssm.state_size"),
                               HasSubstr("mamba2.ssm.conv_kernel")));
  b = tiny_gguf();
  b.set("mamba2.ssm.time_step_rank", u32(3));
  EXPECT_THAT(refused(b).message, HasSubstr("3 heads of 5 make 15 channels"));
}

TEST_F(GgufModelTest, KeysAndTensorsThatDisagree) {
  GgufBuilder b = tiny_gguf();
  b.set("mamba2.block_count", u32(3));
  b.set("mamba2.ssm.state_size", u32(2));
  b.tensors.push_back({"rope_freqs.weight", {8}, 0, std::string(32, '\0'), {}});
  EXPECT_THAT(
      refused(b).message,
      AllOf(
          HasSubstr("backbone.layers.2.mixer.in_proj.weight: missing"),
          HasSubstr("backbone.layers.0.mixer.conv1d.weight (stored as blk.0.ssm_conv1d.weight): wrong shape: "
                    "expected [24,1,4], found [32,1,4]"),
          HasSubstr("\"rope_freqs.weight\": surplus")));
}

TEST_F(GgufModelTest, PaddedTokensDoNotExist) {
  GgufBuilder b = tiny_gguf();
  b.set("tokenizer.ggml.model", text("gpt2"));
  b.set("tokenizer.ggml.pre", text("olmo"));
  b.set("tokenizer.ggml.tokens", texts({"a", "b", "c", "d", "e", "f", "g", "h", "[PAD8]", "[PAD9]"}));
  b.set("tokenizer.ggml.token_type", numbers({3, 1, 1, 5, 1, 1, 1, 1, 5, 5}));
  b.set("tokenizer.ggml.merges", texts({"a b"}));
  b.set("tokenizer.ggml.eos_token_id", u32(0));
  b.set("tokenizer.ggml.add_bos_token", boolean(true));
  b.set("tokenizer.chat_template", text("{{ x }}"));
  const auto c = open(b);
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_EQ(c->config().vocab_size, 8);
  EXPECT_EQ(c->config().padded_vocab_size, 10);
  EXPECT_THAT(c->config().eos_token_ids, ElementsAre(0));
  const auto v = c->vocabulary();
  ASSERT_TRUE(v && *v);
  EXPECT_EQ((*v)->model, "gpt2");
  EXPECT_EQ((*v)->pre, "olmo");
  EXPECT_EQ((*v)->tokens.size(), 10u);
  EXPECT_THAT((*v)->types, ElementsAre(3, 1, 1, 5, 1, 1, 1, 1, 5, 5));
  EXPECT_THAT((*v)->merges, ElementsAre("a b"));
  EXPECT_EQ((*v)->eos_id, 0);
  EXPECT_FALSE((*v)->bos_id);
  EXPECT_TRUE((*v)->add_bos);
  EXPECT_EQ((*v)->chat_template, "{{ x }}");

  b.set("tokenizer.ggml.token_type", numbers({3, 1}));
  EXPECT_THAT(open(b)->vocabulary().error().message, HasSubstr("token_type: expected 10 elements"));
  b.set("tokenizer.ggml.merges", u32(1));
  EXPECT_THAT(open(b)->vocabulary().error().message, HasSubstr("merges: expected an array of strings"));
  b.set("tokenizer.ggml.tokens", texts(std::vector<std::string>(11, "x")));
  EXPECT_THAT(refused(b).message, HasSubstr("expected a row for each of 11 tokens, found 10"));
}

TEST_F(GgufModelTest, WithoutTokensThereIsNoVocabulary) {
  const auto c = open(tiny_gguf());
  ASSERT_TRUE(c);
  const auto v = c->vocabulary();
  ASSERT_TRUE(v);
  EXPECT_FALSE(*v);
}

}  // namespace
}  // namespace adder::checkpoint
