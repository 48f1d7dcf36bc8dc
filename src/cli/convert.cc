#include <memory>
#include <string>

#include "cli/conversion.h"

namespace adder::cli {
namespace {

struct ConvertCommandOptions {
  ConversionOptions conversion;
  std::optional<std::string> dtype;
};

}  // namespace

Command declare_convert(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "convert", "write a checkpoint of any format as Hugging Face safetensors; loads no plugin");
  const auto o = std::make_shared<ConvertCommandOptions>();
  add_conversion_options(app, o->conversion);
  app.add_option("--dtype", o->dtype,
                 "f32: everything; bf16: projections, embedding and head (default: as stored; GGUF's "
                 "quantised weights become f32)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.footer(examples({"adder convert DIR OUT --dtype bf16", "adder convert model.gguf OUT"}));
  return {&app, nullptr,
          [o] { return run_conversion(o->conversion, o->dtype ? parse_dtype(*o->dtype) : std::nullopt); }};
}

}  // namespace adder::cli
