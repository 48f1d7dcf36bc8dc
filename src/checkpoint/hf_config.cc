#include "checkpoint/hf_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

namespace adder::checkpoint {
namespace {

// JSON has no infinity. transformers writes the bare word, which nlohmann would write as null.
constexpr std::string_view kInfinity = "@infinity@";  // arch::extended_number()

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

std::string hugging_face_config(const arch::Config& config, DType dtype, bool int8) {
  OrderedJson json = config.hugging_face();
  json["torch_dtype"] = torch_name(dtype);
  if (int8) json["quantization_config"] = quantization_config();
  std::string text = json.dump(2) + "\n";
  const std::string quoted = '"' + std::string(kInfinity) + '"';
  if (const std::size_t at = text.find(quoted); at != std::string::npos)
    text.replace(at, quoted.size(), "Infinity");
  return text;
}

}  // namespace adder::checkpoint
