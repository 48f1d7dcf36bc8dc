#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using testing::OwnedTensor;
using testing::TempDirectory;
using testing::tiny_config;
using testing::write_file;

using Tensors = std::vector<OwnedTensor>;

using testing::config_of;
using testing::mamba2;

arch::Mamba2 tiny() { return mamba2(*config_of(tiny_config())); }

// Writes a checkpoint whose tensors fit `json`, after `change` has had its way with them, and opens it.
class CheckpointTest : public ::testing::Test {
 protected:
  Result<Checkpoint> open(
      const Json& json, const std::function<void(Tensors&)>& change = [](Tensors&) {}) {
    return open_with(json, *config_of(json), change);
  }
  Result<Checkpoint> open_with(
      const Json& json, const arch::Config& config,
      const std::function<void(Tensors&)>& change = [](Tensors&) {}) {
    Tensors tensors = testing::tensors_for(config);
    change(tensors);
    testing::write_checkpoint(dir, json, tensors);
    return Checkpoint::open(dir.path());
  }
  TempDirectory dir;
};

OwnedTensor& find(Tensors& tensors, const std::string& name) {
  for (OwnedTensor& t : tensors)
    if (t.name == name) return t;
  std::abort();
}
void drop(Tensors& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const OwnedTensor& t) { return t.name == name; });
}

TEST(GoldenTest, EveryGoldenInSafetensorsOpens) {
  struct Expected {
    const char* name;
    std::int64_t parameters, bytes;
    bool tied;
  };
  for (const Expected& e :
       {Expected{"hf-tiny", 123'912, 495'648, true}, Expected{"limits-bias-tiny", 124'512, 498'048, true},
        Expected{"odd-shapes-f16-tiny", 53'336, 106'672, true},
        Expected{"grouped-sharded-bf16-tiny", 169'928, 339'856, false}}) {
    const auto c = Checkpoint::open(golden(e.name));
    ASSERT_TRUE(c) << c.error().message;
    EXPECT_EQ(c->parameter_count(), e.parameters) << e.name;
    EXPECT_EQ(c->stored_bytes(), e.bytes) << e.name;
    EXPECT_EQ(c->config().tie_embeddings, e.tied) << e.name;
    EXPECT_EQ(c->tensor("lm_head.weight").has_value(), !e.tied) << e.name;
    EXPECT_EQ(c->directory(), golden(e.name));
  }
}

TEST(GoldenTest, TheEmbeddedModelOpens) {
  const auto c = Checkpoint::open(testing::source_path("models/austen-3.6m"));
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->parameter_count(), 3'653'408);
  EXPECT_EQ(c->generation_defaults().temperature, 0.8);
  const auto conv = c->tensor("backbone.layers.5.mixer.conv1d.weight");
  ASSERT_TRUE(conv);
  EXPECT_EQ(conv->shape, (Shape{DType::f32, {640, 1, 4}}));
  EXPECT_EQ(c->tensor("backbone.layers.6.norm.weight").error().code, ErrorCode::not_found);
  EXPECT_NE(testing::fingerprint(*c), testing::fingerprint(*Checkpoint::open(golden("hf-tiny"))));
}

TEST_F(CheckpointTest, AFileOpensWithTheConfigBesideIt) {
  ASSERT_TRUE(open(tiny_config()));
  const auto c = Checkpoint::open(dir / "model.safetensors");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->directory(), dir.path());
  std::filesystem::remove(dir / "config.json");
  EXPECT_THAT(Checkpoint::open(dir.path()).error().message, HasSubstr("no config.json"));
  EXPECT_EQ(Checkpoint::open(dir / "nowhere").error().code, ErrorCode::not_found);
}

TEST_F(CheckpointTest, AllConflictsComeInOneMessageALineEach) {
  const auto c = open(tiny_config(), [](Tensors& tensors) {
    drop(tensors, "backbone.layers.0.mixer.A_log");
    drop(tensors, "backbone.layers.1.mixer.norm.weight");
    tensors.emplace_back("backbone.layers.2.norm.weight", Shape{DType::f32, {8}});
    find(tensors, "backbone.layers.0.mixer.D") = OwnedTensor("backbone.layers.0.mixer.D", {DType::f32, {5}});
    find(tensors, "backbone.norm_f.weight") = OwnedTensor("backbone.norm_f.weight", {DType::s32, {8}});
  });
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, ErrorCode::corrupt);
  EXPECT_THAT(
      c.error().message,
      AllOf(HasSubstr("disagree in 5 places"),
            HasSubstr("\n  backbone.layers.0.mixer.A_log: missing: expected [4], found nothing"),
            HasSubstr("\n  backbone.layers.1.mixer.norm.weight: missing: expected [16], found nothing"),
            HasSubstr("\n  backbone.layers.0.mixer.D: wrong shape: expected [4], found [5]"),
            HasSubstr("\n  backbone.norm_f.weight: wrong dtype: expected f32, f16, bf16 or f64, found s32"),
            HasSubstr("\n  \"backbone.layers.2.norm.weight\": surplus: expected nothing, found f32[8]")));
}

TEST_F(CheckpointTest, AConfigThatContradictsTheWeightsIsExplained) {
  Json json = tiny_config();
  json["num_hidden_layers"] = 3;
  json["vocab_size"] = 11;
  json["state_size"] = 8;
  const auto c = open_with(json, *config_of(tiny_config()));
  ASSERT_FALSE(c);
  EXPECT_THAT(
      c.error().message,
      AllOf(HasSubstr("backbone.embeddings.weight: wrong shape: expected [11,8], found [10,8]"),
            HasSubstr("backbone.layers.2.mixer.in_proj.weight: missing: expected [68,8]"),
            HasSubstr(
                "backbone.layers.1.mixer.conv1d.weight: wrong shape: expected [48,1,4], found [32,1,4]")));
  EXPECT_THAT(c.error().hint, AllOf(HasSubstr("2 layers"), HasSubstr("4 heads of 4"),
                                    HasSubstr("10 embedding rows"), HasSubstr("groups times state size 8")));
}

TEST_F(CheckpointTest, StatedBiasesMustAgreeWithTheTensors) {
  Json with_bias = tiny_config();
  with_bias["use_bias"] = true;
  EXPECT_THAT(open_with(with_bias, *config_of(tiny_config())).error().message,
              HasSubstr("backbone.layers.0.mixer.in_proj.bias: missing: expected [52]"));
  EXPECT_THAT(open_with(tiny_config(), *config_of(with_bias)).error().message,
              HasSubstr("\"backbone.layers.0.mixer.out_proj.bias\": surplus"));
}

TEST_F(CheckpointTest, WhatTheConfigOmitsComesFromTheTensors) {
  arch::Mamba2 truth = tiny();
  truth.use_bias = true;
  truth.use_conv_bias = false;
  truth.has_gated_norm = false;
  truth.n_groups = 1;
  truth.d_state = 8;
  truth.d_conv = 3;
  Json json = tiny_config();
  for (const char* key : {"use_bias", "use_conv_bias", "rms_norm", "n_groups", "conv_kernel", "head_dim",
                          "num_heads", "tie_word_embeddings"})
    json.erase(key);
  json["state_size"] = 8;
  const auto c = open_with(json, truth);
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_TRUE(mamba2(c->config()).use_bias);
  EXPECT_FALSE(mamba2(c->config()).use_conv_bias);
  EXPECT_FALSE(mamba2(c->config()).has_gated_norm);
  EXPECT_TRUE(c->config().tie_embeddings);
  EXPECT_EQ(mamba2(c->config()).n_groups, 1);
  EXPECT_EQ(mamba2(c->config()).d_conv, 3);
  EXPECT_EQ(mamba2(c->config()).n_heads, 4);
  EXPECT_EQ(mamba2(c->config()).head_dim, 4);
}

TEST_F(CheckpointTest, AGatedNormThatTheConfigStatesMustExist) {
  arch::Mamba2 without = tiny();
  without.has_gated_norm = false;
  EXPECT_THAT(open_with(tiny_config(), without).error().message,
              AllOf(HasSubstr("layers.0.mixer.norm.weight: missing"),
                    HasSubstr("layers.1.mixer.norm.weight: missing")));
  Json silent = tiny_config();
  silent["rms_norm"] = false;
  const auto c = open_with(silent, without);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_FALSE(mamba2(c->config()).has_gated_norm);
}

TEST_F(CheckpointTest, ATiedHeadMayBeStoredAndAnUntiedOneMust) {
  const Shape head{DType::f32, {10, 8}};
  const auto tied = open(tiny_config(), [&](Tensors& t) { t.emplace_back("lm_head.weight", head, 'h'); });
  ASSERT_TRUE(tied) << tied.error().message;
  EXPECT_FALSE(tied->tensor("lm_head.weight"));
  const std::int64_t parameters = tied->parameter_count();
  Json untied = tiny_config();
  untied["tie_word_embeddings"] = false;
  const auto c = open(untied);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->parameter_count(), parameters + 80);
  EXPECT_TRUE(c->tensor("lm_head.weight"));
  EXPECT_THAT(open(untied, [](Tensors& t) { drop(t, "lm_head.weight"); }).error().message,
              HasSubstr("lm_head.weight: missing: expected [10,8]"));
}

TEST_F(CheckpointTest, MambaSsmNamesAndConfigResolveToCanonicalOnes) {
  const Json json = Json::parse(R"({"d_model":8,"n_layer":2,"vocab_size":10,"pad_vocab_size_multiple":16,
    "ssm_cfg":{"layer":"Mamba2","d_state":4,"headdim":4,"ngroups":2},"tie_embeddings":true})");
  const auto c = open(json, [](Tensors& tensors) {
    find(tensors, "backbone.embeddings.weight").name = "backbone.embedding.weight";
    tensors.emplace_back("lm_head.weight", Shape{DType::f32, {16, 8}});
  });
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->config().vocab_size, 10);
  EXPECT_EQ(c->config().padded_vocab_size, 16);
  const auto embedding = c->tensor("backbone.embeddings.weight");
  ASSERT_TRUE(embedding);
  EXPECT_EQ(embedding->name, "backbone.embedding.weight");
  EXPECT_EQ(c->entries().front().field.local, "embedding.weight");
}

TEST_F(CheckpointTest, OneTensorUnderTwoNamesIsAConflict) {
  EXPECT_THAT(open(tiny_config(),
                   [](Tensors& t) {
                     t.emplace_back("backbone.embedding.weight", Shape{DType::f32, {10, 8}});
                   })
                  .error()
                  .message,
              HasSubstr("stored twice, as backbone.embeddings.weight and as backbone.embedding.weight"));
}

TEST_F(CheckpointTest, NamesWithoutThePrefixResolve) {
  const auto c = open(tiny_config(), [](Tensors& tensors) {
    for (OwnedTensor& t : tensors) t.name = t.name.substr(std::string("backbone.").size());
  });
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->tensor("backbone.layers.1.mixer.dt_bias")->name, "layers.1.mixer.dt_bias");
}

TEST_F(CheckpointTest, FingerprintFollowsTheWeightsNotTheirStorage) {
  const auto one = open(tiny_config());
  ASSERT_TRUE(one);
  const std::uint64_t print = testing::fingerprint(*one);
  const auto changed = [&](auto change) { return testing::fingerprint(*open(tiny_config(), change)); };
  EXPECT_EQ(changed([](Tensors& t) { std::reverse(t.begin(), t.end()); }), print);
  EXPECT_EQ(
      changed([](Tensors& t) { find(t, "backbone.embeddings.weight").name = "backbone.embedding.weight"; }),
      print);
  EXPECT_NE(changed([](Tensors& t) { find(t, "backbone.layers.1.mixer.D").data[3] ^= 1; }), print);
  Json other = tiny_config();
  other["layer_norm_epsilon"] = 2e-5;
  EXPECT_NE(testing::fingerprint(*open(other)), print);
}

TEST_F(CheckpointTest, FingerprintIgnoresSharding) {
  const auto whole = open(tiny_config());
  ASSERT_TRUE(whole);
  const Tensors tensors = testing::tensors_for(*config_of(tiny_config()));
  const TempDirectory sharded;
  write_file(sharded / "config.json", tiny_config().dump());
  Json map = Json::object();
  Tensors parts[2];
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    parts[i % 2].push_back(tensors[i]);
    map[tensors[i].name] = i % 2 == 0 ? "a.safetensors" : "b.safetensors";
  }
  testing::write_tensors(sharded / "a.safetensors", parts[0]);
  testing::write_tensors(sharded / "b.safetensors", parts[1]);
  write_file(sharded / "model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  const auto c = Checkpoint::open(sharded.path());
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(testing::fingerprint(*c), testing::fingerprint(*whole));
}

TEST_F(CheckpointTest, InferredGroupsMustDivideTheHeads) {
  arch::Mamba2 truth = tiny();
  truth.n_groups = 3;
  Json json = tiny_config();
  json.erase("n_groups");
  EXPECT_THAT(open_with(json, truth).error().message, HasSubstr("4 heads do not divide into 3 groups"));
}

TEST(GoldenCheckpointTest, MambaSsmTinyIsACheckpoint) {
  const auto checkpoint = Checkpoint::open(golden("mamba-ssm-tiny"));
  ASSERT_TRUE(checkpoint) << checkpoint.error().to_string();
  const arch::Config& c = checkpoint->config();
  EXPECT_EQ(c.dialect, arch::Dialect::mamba_ssm);
  EXPECT_EQ(c.vocab_size, 501);
  EXPECT_EQ(c.padded_vocab_size, 512);
  EXPECT_TRUE(c.tie_embeddings);
  EXPECT_EQ(checkpoint->format(), "PyTorch");
  EXPECT_EQ(checkpoint->entries().size(), 29u);
}

TEST(TensorListTest, ListsEveryTensorOnceInCanonicalOrder) {
  const auto specs = tiny().tensors();
  ASSERT_EQ(specs.size(), 1u + 2 * 9 + 2);
  EXPECT_EQ(specs.front().name, "backbone.embeddings.weight");
  EXPECT_EQ(specs.front().dims, (Dims{10, 8}));
  EXPECT_EQ(specs[1].name, "backbone.layers.0.norm.weight");
  EXPECT_EQ(specs[2].dims, (Dims{52, 8}));
  EXPECT_EQ(specs.back().name, "lm_head.weight");
  EXPECT_FALSE(specs.back().used);
}

}  // namespace
}  // namespace adder::checkpoint
