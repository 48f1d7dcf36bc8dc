#include "checkpoint/hf_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

namespace adder::checkpoint {
namespace {

using OrderedJson = nlohmann::ordered_json;

// JSON has no infinity. transformers writes the bare word, which nlohmann would write as null.
constexpr std::string_view kInfinity = "@infinity@";

OrderedJson number(double value) {
  if (std::isinf(value)) return kInfinity;
  return value;
}

OrderedJson tokens(const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? OrderedJson(ids.front()) : OrderedJson(ids);
}

OrderedJson token(const std::optional<std::int64_t>& id) {
  return id ? OrderedJson(*id) : OrderedJson(nullptr);
}

// A whole number where it is one, as transformers writes it.
OrderedJson expand(const ModelConfig& c) {
  if (c.d_inner % c.d_model == 0) return c.d_inner / c.d_model;
  return static_cast<double>(c.d_inner) / static_cast<double>(c.d_model);
}

const char* torch_name(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return "bfloat16";
    case DType::f16:
      return "float16";
    case DType::f64:
      return "float64";
    default:
      return "float32";
  }
}

OrderedJson int8_args(const char* strategy, bool dynamic) {
  return {{"num_bits", 8},        {"type", "int"},         {"symmetric", true},
          {"strategy", strategy}, {"group_size", nullptr}, {"dynamic", dynamic}};
}

// The embedding's rows are looked up, not multiplied with, so nothing is said of its input.
OrderedJson quantization_config() {
  return {{"quant_method", "compressed-tensors"},
          {"format", "int-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups",
           {{"group_0",
             {{"targets", {"Linear"}},
              {"weights", int8_args("channel", false)},
              {"input_activations", int8_args("token", true)},
              {"output_activations", nullptr}}},
            {"group_1",
             {{"targets", {"Embedding"}},
              {"weights", int8_args("channel", false)},
              {"input_activations", nullptr},
              {"output_activations", nullptr}}}}},
          {"ignore", OrderedJson::array()},
          {"kv_cache_scheme", nullptr},
          {"global_compression_ratio", nullptr}};
}

}  // namespace

std::string hugging_face_config(const ModelConfig& c, DType dtype, bool int8) {
  OrderedJson json{{"architectures", {"Mamba2ForCausalLM"}},
                   {"model_type", "mamba2"},
                   {"hidden_size", c.d_model},
                   {"num_hidden_layers", c.n_layer},
                   {"state_size", c.d_state},
                   {"head_dim", c.head_dim},
                   {"num_heads", c.n_heads},
                   {"n_groups", c.n_groups},
                   {"expand", expand(c)},
                   {"conv_kernel", c.d_conv},
                   {"vocab_size", c.padded_vocab_size},
                   {"layer_norm_epsilon", c.norm_eps},
                   {"hidden_act", "silu"},
                   {"rms_norm", c.has_gated_norm},
                   {"residual_in_fp32", c.residual_in_fp32},
                   {"use_bias", c.use_bias},
                   {"use_conv_bias", c.use_conv_bias},
                   {"time_step_limit", {number(c.dt_min), number(c.dt_max)}},
                   {"tie_word_embeddings", c.tie_embeddings},
                   {"bos_token_id", token(c.bos_token_id)},
                   {"eos_token_id", tokens(c.eos_token_ids)},
                   {"pad_token_id", token(c.pad_token_id)},
                   {"torch_dtype", torch_name(dtype)}};
  if (c.vocab_size != c.padded_vocab_size) json["unpadded_vocab_size"] = c.vocab_size;
  if (int8) json["quantization_config"] = quantization_config();
  std::string text = json.dump(2) + "\n";
  const std::string quoted = '"' + std::string(kInfinity) + '"';
  if (const std::size_t at = text.find(quoted); at != std::string::npos)
    text.replace(at, quoted.size(), "Infinity");
  return text;
}

}  // namespace adder::checkpoint
