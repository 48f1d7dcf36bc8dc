#include <memory>

#include "cli/conversion.h"

namespace adder::cli {

Command declare_quantize(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "quantize",
      "write a checkpoint of any format with int8 projections, embedding and head, a scale for each row, as "
      "Hugging Face safetensors (compressed-tensors, int-quantized); loads no plugin");
  const auto o = std::make_shared<ConversionOptions>();
  add_conversion_options(app, *o);
  app.footer(examples({"adder quantize DIR OUT", "adder quantize DIR OUT --max-shard-size 2GB"}));
  return {&app, nullptr, [o] { return run_conversion(*o, DType::s8); }};
}

}  // namespace adder::cli
