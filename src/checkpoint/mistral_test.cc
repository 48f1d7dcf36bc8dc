// Mistral's own layout of a Mamba-2 model: params.json and consolidated.safetensors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

using ::testing::HasSubstr;
using testing::mamba2;
using testing::OwnedTensor;
using testing::TempDirectory;
using testing::write_file;

// As mistralai/Mamba-Codestral-7B-v0.1 writes it; `dim` and `n_layers` are those of the model in this file.
constexpr const char* kParams = R"({"dim":64,"n_layers":2,"vocab_size":100,"n_groups":2,"rms_norm":true,
  "residual_in_fp32":true,"fused_add_norm":true,"pad_vocab_size_multiple":8,"tie_embeddings":false,
  "model_type":"mamba"})";
// The same in Hugging Face's terms: mamba_ssm's defaults are N 128, P 64, K 4.
constexpr const char* kConfig = R"({"model_type":"mamba2","hidden_size":64,"num_hidden_layers":2,
  "vocab_size":104,"n_groups":2,"state_size":128,"head_dim":64,"num_heads":2,"expand":2,"conv_kernel":4,
  "tie_word_embeddings":false,"rms_norm":true,"use_conv_bias":true,"use_bias":false})";

std::string mistral_name(const std::string& canonical) {
  return canonical == "backbone.embeddings.weight" ? "model.backbone.embedding.weight" : "model." + canonical;
}

class MistralTest : public ::testing::Test {
 protected:
  MistralTest() {
    std::vector<OwnedTensor> tensors = testing::tensors_for(**arch::parse_config(Json::parse(kConfig), "c"));
    write_file(hf / "config.json", kConfig);
    testing::write_tensors(hf / "model.safetensors", tensors);
    for (OwnedTensor& t : tensors) t.name = mistral_name(t.name);
    write_file(own / "params.json", kParams);
    testing::write_tensors(own / "consolidated.safetensors", tensors);
  }
  TempDirectory hf, own;
};

TEST(MistralConfig, CodestralHasTheSizesItIsPublishedWith) {
  const auto parsed = arch::parse_config(
      Json::parse(R"({"dim":4096,"n_layers":64,"vocab_size":32768,"n_groups":8,"rms_norm":true,
        "residual_in_fp32":true,"fused_add_norm":true,"pad_vocab_size_multiple":1,"tie_embeddings":false,
        "model_type":"mamba"})"),
      "params.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const arch::Mamba2* c = &testing::mamba2(**parsed);
  EXPECT_EQ(c->dialect, arch::Dialect::mistral);
  EXPECT_EQ(c->in_proj_dim(), 18560);
  EXPECT_EQ(c->n_heads, 128);
  EXPECT_EQ(c->padded_vocab_size, 32768);
  EXPECT_FALSE(c->tie_embeddings);
  EXPECT_FALSE(arch::parse_config(Json::parse(R"({"dim":64,"n_layers":2})"), "p")) << "no vocabulary";
  EXPECT_THAT(
      arch::parse_config(Json::parse(R"({"dim":64,"n_layers":2,"vocab_size":8,"rms_norm":false})"), "p")
          .error()
          .message,
      HasSubstr("LayerNorm"));
}

TEST_F(MistralTest, ItIsTheSameModelAsInHuggingFacesLayout) {
  const auto a = Checkpoint::open(hf.path()), b = Checkpoint::open(own.path());
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ(b->config().vocab_size, 100);
  EXPECT_EQ(b->config().padded_vocab_size, a->config().padded_vocab_size);
  EXPECT_EQ(mamba2(b->config()).n_groups, mamba2(a->config()).n_groups);
  EXPECT_EQ(mamba2(b->config()).n_heads, mamba2(a->config()).n_heads);
  EXPECT_EQ(mamba2(b->config()).d_state, mamba2(a->config()).d_state);
  EXPECT_FALSE(b->config().tie_embeddings);
  ASSERT_EQ(a->entries().size(), b->entries().size());
  for (std::size_t i = 0; i < a->entries().size(); ++i) {
    const auto &x = a->entries()[i], &y = b->entries()[i];
    EXPECT_EQ(x.field.name, y.field.name);
    EXPECT_EQ(x.view.shape, y.view.shape);
    EXPECT_TRUE(std::ranges::equal(x.view.bytes, y.view.bytes)) << x.field.name;
  }
}

TEST_F(MistralTest, HuggingFacesFilesComeFirstWhereBothAreThere) {
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(hf / file, own / file);
  const auto both = Checkpoint::open(own.path());
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->config().dialect, arch::Dialect::hugging_face);
  EXPECT_EQ(both->entries()[0].view.name, "backbone.embeddings.weight");
}

TEST_F(MistralTest, TheWeightsFileMayBeNamed) {
  EXPECT_TRUE(Checkpoint::open(own / "consolidated.safetensors"));
}

}  // namespace
}  // namespace adder::checkpoint
