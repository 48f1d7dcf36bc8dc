#include "arch/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "arch/mamba1.h"
#include "arch/mamba2.h"
#include "arch/testing.h"

namespace adder::arch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::golden;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::tiny_config;

constexpr double kInf = std::numeric_limits<double>::infinity();

using Field = Mamba2::Field;

/// A config as the architecture that this file is about.
Result<Mamba2> parse_json_config(const Json& json, std::string_view origin) {
  ADDER_TRY(const ConfigRef config, parse_config(json, origin));
  const auto* mamba2 = dynamic_cast<const Mamba2*>(config.get());
  EXPECT_NE(mamba2, nullptr);
  return mamba2 ? *mamba2 : Mamba2{};
}
Result<Mamba2> read_config(const std::filesystem::path& path) {
  ADDER_TRY(const Json json, read_json_file(path));
  return parse_json_config(json, path.string());
}
Result<Mamba2> parse(const std::string& text) {
  ADDER_TRY(const Json json, parse_json(text, "config.json"));
  return parse_json_config(json, "config.json");
}
Result<Mamba2> tiny_with(const std::string& key, const Json& value) {
  Json json = tiny_config();
  json[key] = value;
  return parse_json_config(json, "config.json");
}
std::string error_with(const std::string& key, const Json& value) {
  const auto result = tiny_with(key, value);
  return result ? "accepted" : result.error().message;
}

TEST(ConfigTest, ReadsTheHuggingFaceDialect) {
  const auto c = read_config(golden("limits-bias-tiny") / "config.json");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->dialect, Dialect::hugging_face);
  EXPECT_EQ(c->d_model, 64);
  EXPECT_EQ(c->n_layer, 3);
  EXPECT_EQ(c->d_inner, 128);
  EXPECT_EQ(c->n_heads, 8);
  EXPECT_EQ(c->head_dim, 16);
  EXPECT_EQ(c->n_groups, 1);
  EXPECT_EQ(c->d_state, 32);
  EXPECT_EQ(c->d_conv, 4);
  EXPECT_EQ(c->vocab_size, 512);
  EXPECT_EQ(c->padded_vocab_size, 512);
  EXPECT_EQ(c->norm_eps, 1e-5);
  EXPECT_EQ(c->dt_min, 0.01);
  EXPECT_EQ(c->dt_max, 0.05);
  EXPECT_TRUE(c->use_bias);
  EXPECT_FALSE(c->use_conv_bias);
  EXPECT_TRUE(c->has_gated_norm);
  EXPECT_TRUE(c->tie_embeddings);
  EXPECT_TRUE(c->residual_in_fp32);
  EXPECT_THAT(c->eos_token_ids, ElementsAre(0));
  EXPECT_EQ(c->bos_token_id, 0);
  EXPECT_EQ(c->pad_token_id, 0);
  EXPECT_THAT(c->defaulted, IsEmpty());
  EXPECT_EQ(c->conv_dim(), 192);
  EXPECT_EQ(c->in_proj_dim(), 328);
}

TEST(ConfigTest, ReadsTheMambaSsmDialectAndPadsTheVocabulary) {
  const auto c = read_config(golden("mamba-ssm-tiny") / "config.json");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->dialect, Dialect::mamba_ssm);
  EXPECT_EQ(c->d_model, 64);
  EXPECT_EQ(c->n_layer, 3);
  EXPECT_EQ(c->d_state, 32);
  EXPECT_EQ(c->head_dim, 16);
  EXPECT_EQ(c->n_heads, 8);
  EXPECT_EQ(c->n_groups, 1);
  EXPECT_EQ(c->vocab_size, 501);
  EXPECT_EQ(c->padded_vocab_size, 512);
  EXPECT_EQ(c->dt_max, kInf);
  EXPECT_THAT(c->eos_token_ids, IsEmpty());
  EXPECT_EQ(c->bos_token_id, std::nullopt);
}

TEST(ConfigTest, MambaSsmDefaultsAreThePublishedOnes) {
  // The config.json of state-spaces/mamba2-130m.
  const auto c = parse(R"({"d_model":768,"d_intermediate":0,"n_layer":24,"vocab_size":50277,
    "ssm_cfg":{"layer":"Mamba2"},"attn_layer_idx":[],"attn_cfg":{},"rms_norm":true,"residual_in_fp32":true,
    "fused_add_norm":true,"pad_vocab_size_multiple":16,"tie_embeddings":true})");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->d_inner, 1536);
  EXPECT_EQ(c->head_dim, 64);
  EXPECT_EQ(c->n_heads, 24);
  EXPECT_EQ(c->d_state, 128);
  EXPECT_EQ(c->padded_vocab_size, 50288);
  EXPECT_TRUE(c->is_default(Field::d_state));
  EXPECT_FALSE(c->is_default(Field::tie_embeddings));
  const auto eight = parse(R"({"d_model":768,"n_layer":24,"vocab_size":50277,"ssm_cfg":{"layer":"Mamba2"}})");
  ASSERT_TRUE(eight);
  EXPECT_EQ(eight->padded_vocab_size, 50280);
  EXPECT_TRUE(eight->tie_embeddings);
}

TEST(ConfigTest, HuggingFaceDefaultsAreThePublishedOnes) {
  const auto c =
      parse(R"({"model_type":"mamba2","hidden_size":4096,"num_hidden_layers":64,"vocab_size":32768})");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->n_heads, 128);
  EXPECT_EQ(c->head_dim, 64);
  EXPECT_EQ(c->n_groups, 8);
  EXPECT_EQ(c->d_state, 128);
  EXPECT_EQ(c->d_conv, 4);
  EXPECT_FALSE(c->tie_embeddings);
  EXPECT_FALSE(c->use_bias);
  EXPECT_TRUE(c->use_conv_bias);
  EXPECT_EQ(c->dt_min, 0);
  EXPECT_EQ(c->dt_max, kInf);
  EXPECT_EQ(c->padded_vocab_size, 32768);
}

TEST(ConfigTest, HeadCountAndSizeFollowFromEachOther) {
  Json json = tiny_config();
  json.erase("head_dim");
  EXPECT_EQ(parse_json_config(json, "c")->head_dim, 4);
  json["head_dim"] = 8;
  json.erase("num_heads");
  EXPECT_EQ(parse_json_config(json, "c")->n_heads, 2);
}

TEST(ConfigTest, EosMayBeANumberAListOrNothing) {
  EXPECT_THAT(tiny_with("eos_token_id", 3)->eos_token_ids, ElementsAre(3));
  EXPECT_THAT(tiny_with("eos_token_id", {3, 5})->eos_token_ids, ElementsAre(3, 5));
  EXPECT_THAT(tiny_with("eos_token_id", nullptr)->eos_token_ids, IsEmpty());
  EXPECT_THAT(tiny_with("eos_token_id", -1)->eos_token_ids, IsEmpty());
  EXPECT_THAT(error_with("eos_token_id", "0"), HasSubstr("eos_token_id: expected a whole number"));
  EXPECT_THAT(error_with("eos_token_id", {1, 2.5}), HasSubstr("eos_token_id: expected token ids"));
  EXPECT_THAT(error_with("eos_token_id", -2), HasSubstr("eos_token_id"));
}

TEST(ConfigTest, InfinityIsReadInEverySpelling) {
  for (const char* high : {"Infinity", "\"Infinity\"", "\"inf\"", R"({"__float__":"Infinity"})"}) {
    const auto c =
        parse(R"({"model_type":"mamba2","hidden_size":8,"num_hidden_layers":1,"vocab_size":9,"head_dim":4,
      "n_groups":1,"time_step_limit":[0.5,)" +
              std::string(high) + "]}");
    ASSERT_TRUE(c) << c.error().message;
    EXPECT_EQ(c->dt_min, 0.5);
    EXPECT_EQ(c->dt_max, kInf);
  }
  for (const Json& bad : {Json({0.5, 0.1}), Json({-1, 2}), Json({0}), Json(3), Json({0, "x"}),
                          Json({0, nullptr}), Json({0, 0})})
    EXPECT_THAT(error_with("time_step_limit", bad), HasSubstr("time_step_limit: expected two numbers"))
        << bad;
}

TEST(ConfigTest, WrongTypesNameTheField) {
  EXPECT_THAT(
      error_with("hidden_size", "8"),
      HasSubstr(
          "config.json: hidden_size: expected a whole number from 1 to 1048576, found the string \"8\""));
  EXPECT_THAT(error_with("use_bias", 0), HasSubstr("use_bias: expected true or false, found the number 0"));
  EXPECT_THAT(error_with("layer_norm_epsilon", "small"), HasSubstr("layer_norm_epsilon: expected a number"));
  EXPECT_THAT(error_with("layer_norm_epsilon", 0), HasSubstr("layer_norm_epsilon"));
  EXPECT_THAT(error_with("hidden_act", 1), HasSubstr("hidden_act: expected a string"));
  EXPECT_THAT(error_with("expand", false), HasSubstr("expand"));
}

TEST(ConfigTest, SizesMustBePositiveAndSane) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "state_size", "head_dim", "num_heads",
                          "n_groups", "conv_kernel", "vocab_size"})
    for (const Json& bad :
         {Json(0), Json(-4), Json(4.5), Json(1e15), Json(18446744073709551615u), Json(kInf)})
      EXPECT_THAT(error_with(key, bad), HasSubstr(std::string(key) + ": expected a whole number")) << bad;
  EXPECT_EQ(tiny_with("hidden_size", 8.0)->d_model, 8);
  EXPECT_THAT(
      parse(R"({"model_type":"mamba2","hidden_size":8})").error().message,
      AllOf(HasSubstr("num_hidden_layers: expected a whole number, found nothing"), HasSubstr("vocab_size")));
}

TEST(ConfigTest, ContradictionsInsideTheConfigAreFound) {
  EXPECT_THAT(error_with("num_heads", 5),
              HasSubstr("5 heads of 4 make 20 channels, but expand times the model width is 16"));
  EXPECT_THAT(error_with("n_groups", 3), HasSubstr("4 heads do not divide into 3 groups"));
  EXPECT_THAT(error_with("expand", 1.7), HasSubstr("is not a whole number"));
  EXPECT_EQ(tiny_with("expand", 2.0)->d_inner, 16);
}

TEST(ConfigTest, AllProblemsAreReportedTogether) {
  Json json = tiny_config();
  json["hidden_size"] = "x";
  json["use_bias"] = 1;
  json["eos_token_id"] = true;
  EXPECT_THAT(parse_json_config(json, "config.json").error().message,
              AllOf(HasSubstr("3 problems"), HasSubstr("hidden_size"), HasSubstr("use_bias"),
                    HasSubstr("eos_token_id")));
}

struct Refusal {
  const char* label;
  const char* text;
  const char* says;
};

class RefusedConfigTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedConfigTest, SaysWhatTheModelIs) {
  const auto c = parse(GetParam().text);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, ErrorCode::unsupported);
  EXPECT_THAT(c.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Models, RefusedConfigTest,
    ::testing::Values(
        Refusal{"mamba3", R"({"d_model":768,"n_layer":24,"ssm_cfg":{"layer":"Mamba3"}})", "\"Mamba3\""},
        Refusal{"hybrid_ssm",
                R"({"d_model":2560,"n_layer":64,"ssm_cfg":{"layer":"Mamba2"},"attn_layer_idx":[9,18]})",
                "hybrid model with attention in 2 of its layers"},
        Refusal{"zamba2", R"({"model_type":"zamba2","hidden_size":2560})", "hybrid"},
        Refusal{"nemotron_h", R"({"model_type":"nemotron_h","hidden_size":2560})", "hybrid"},
        Refusal{"llama", R"({"model_type":"llama","hidden_size":4096})", "another architecture"},
        Refusal{"nameless", R"({"hidden_size":4096,"num_hidden_layers":2})",
                "nothing here says which model it is"},
        Refusal{"mistral_transformer", R"({"dim":4096,"n_layers":32,"n_heads":32,"vocab_size":32768})",
                "a transformer in Mistral's own layout"},
        Refusal{
            "activation",
            R"({"model_type":"mamba2","hidden_size":4096,"num_hidden_layers":2,"vocab_size":9,"hidden_act":"gelu"})",
            "hidden_act: expected \"silu\", found \"gelu\""},
        Refusal{
            "mlp",
            R"({"d_model":768,"n_layer":2,"vocab_size":9,"d_intermediate":10,"ssm_cfg":{"layer":"Mamba2"}})",
            "MLP"},
        Refusal{
            "d_per_channel",
            R"({"d_model":768,"n_layer":2,"vocab_size":9,"ssm_cfg":{"layer":"Mamba2","D_has_hdim":true}})",
            "D_has_hdim"},
        Refusal{
            "norm_before_gate",
            R"({"d_model":768,"n_layer":2,"vocab_size":9,"ssm_cfg":{"layer":"Mamba2","norm_before_gate":true}})",
            "norm_before_gate"},
        Refusal{"layer_norm",
                R"({"d_model":768,"n_layer":2,"vocab_size":9,"rms_norm":false,"ssm_cfg":{"layer":"Mamba2"}})",
                "LayerNorm"}),
    [](const auto& p) { return std::string(p.param.label); });

TEST(ConfigTest, UnrecognisableConfigsAreCorrupt) {
  EXPECT_THAT(parse("{}").error().message,
              HasSubstr("expected hidden_size (Hugging Face), d_model (mamba_ssm) or dim (Mistral)"));
  EXPECT_THAT(parse("[]").error().message, HasSubstr("expected an object, found an array of 0"));
  EXPECT_THAT(parse("{").error().message, HasSubstr("config.json:1:"));
  EXPECT_EQ(read_config("/no/config.json").error().code, ErrorCode::not_found);
}

TEST(ConfigTest, Mamba2IsRecognisedWithoutAModelType) {
  EXPECT_TRUE(parse(
      R"({"architectures":["Mamba2ForCausalLM"],"hidden_size":4096,"num_hidden_layers":1,"vocab_size":9})"));
  EXPECT_TRUE(parse(
      R"({"hidden_size":8,"state_size":4,"num_heads":4,"n_groups":1,"num_hidden_layers":1,"vocab_size":9})"));
  EXPECT_TRUE(parse(R"({"d_model":64,"n_layer":1,"vocab_size":9,"ssm_cfg":{"headdim":16}})"));
}

Result<Mamba1> parse_mamba(const std::string& text) {
  ADDER_TRY(const Json json, parse_json(text, "config.json"));
  ADDER_TRY(const ConfigRef config, parse_config(json, "config.json"));
  const auto* mamba = dynamic_cast<const Mamba1*>(config.get());
  EXPECT_NE(mamba, nullptr) << config->title();
  return mamba ? *mamba : Mamba1{};
}

TEST(MambaConfigTest, AnEmptySsmCfgMeansMamba) {
  // The config.json of state-spaces/mamba-130m.
  const auto c = parse_mamba(R"({"d_model":768,"n_layer":24,"vocab_size":50277,"ssm_cfg":{},"rms_norm":true,
    "residual_in_fp32":true,"fused_add_norm":true,"pad_vocab_size_multiple":8})");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->architecture(), "mamba");
  EXPECT_EQ(c->dialect, Dialect::mamba_ssm);
  EXPECT_EQ(c->d_inner, 1536);
  EXPECT_EQ(c->d_state, 16);
  EXPECT_EQ(c->dt_rank, 48);
  EXPECT_EQ(c->d_conv, 4);
  EXPECT_EQ(c->padded_vocab_size, 50280);
  EXPECT_TRUE(c->tie_embeddings);
  EXPECT_FALSE(c->inner_norms);
}

TEST(MambaConfigTest, HuggingFaceDefaultsAreThePublishedOnes) {
  const auto c = parse_mamba(
      R"({"model_type":"mamba","hidden_size":1000,"num_hidden_layers":2,"vocab_size":50280,
      "time_step_rank":"auto"})");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->d_inner, 2000);
  EXPECT_EQ(c->dt_rank, 63);  // ceil(1000/16)
  EXPECT_TRUE(c->use_conv_bias);
  EXPECT_FALSE(c->use_bias);
  EXPECT_TRUE(c->tie_embeddings);
}

// tiiuae/falcon-mamba-7b says expand 16, and its tensors are twice as wide as the model.
TEST(MambaConfigTest, FalconsIntermediateSizeIsBelievedAndNotItsExpand) {
  const auto c = parse_mamba(R"({"model_type":"falcon_mamba","hidden_size":4096,"intermediate_size":8192,
    "expand":16,"num_hidden_layers":64,"vocab_size":65024,"state_size":16,"time_step_rank":256,
    "tie_word_embeddings":false})");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->architecture(), "falcon_mamba");
  EXPECT_EQ(c->d_inner, 8192);
  EXPECT_EQ(c->dt_rank, 256);
  EXPECT_TRUE(c->inner_norms);
  EXPECT_EQ(c->inner_norm_eps, 1e-6);
  EXPECT_FALSE(c->tie_embeddings);
}

TEST(MambaConfigTest, MistakesNameTheField) {
  const auto error = [](const std::string& more) {
    const auto c = parse_mamba(
        R"({"model_type":"mamba","hidden_size":64,"num_hidden_layers":1,"vocab_size":9)" + more + "}");
    return c ? "accepted" : c.error().message;
  };
  EXPECT_THAT(error(R"(,"time_step_rank":"many")"), HasSubstr("time_step_rank: expected a whole number"));
  EXPECT_THAT(error(R"(,"time_step_rank":0)"), HasSubstr("time_step_rank"));
  EXPECT_THAT(error(R"(,"conv_kernel":1)"), HasSubstr("conv_kernel"));
  EXPECT_THAT(error(R"(,"expand":1.01)"), HasSubstr("expand 1.01 times the model width 64"));
  EXPECT_THAT(error(R"(,"hidden_act":"gelu")"), HasSubstr("hidden_act"));
}

// What convert writes is read as the same model.
TEST(MambaConfigTest, SurvivesTheHuggingFaceDialect) {
  for (const char* name : {"mamba1-hf-tiny", "mamba1-ssm-tiny", "falcon-mamba-tiny"}) {
    SCOPED_TRACE(name);
    const auto original = arch::read_config(golden(name) / "config.json");
    ASSERT_TRUE(original) << original.error().message;
    const auto again = parse_config(Json::parse((*original)->hugging_face().dump()), "written");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ((*again)->architecture(), (*original)->architecture());
    EXPECT_EQ((*again)->facts(), (*original)->facts());
  }
}

}  // namespace
}  // namespace adder::arch
