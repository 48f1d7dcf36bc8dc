#include <memory>
#include <string>

#include "base/json.h"
#include "cli/conversion.h"

namespace adder::cli {
namespace {

struct ConvertCommandOptions {
  ConversionOptions conversion;
  std::optional<std::string> dtype;
};

/// What can be written, under the names that other programs have for it too.
std::optional<DType> written_dtype(const std::string& name) {
  if (name == "f32" || name == "float32" || name == "fp32" || name == "float") return DType::f32;
  if (name == "bf16" || name == "bfloat16") return DType::bf16;
  return std::nullopt;
}

std::string check_written_dtype(const std::string& name) {
  return written_dtype(name) ? "" : in_quotes(name) + " is none of f32, bf16";
}

}  // namespace

Command declare_convert(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "convert", "write a checkpoint of any format as Hugging Face safetensors; loads no plugin");
  const auto o = std::make_shared<ConvertCommandOptions>();
  add_conversion_options(app, o->conversion);
  app.add_option("--dtype", o->dtype,
                 "f32: everything; bf16: projections, embedding and head (default: as stored; GGUF's "
                 "quantised weights become f32)")
      ->check(check_written_dtype)
      ->type_name("TYPE");
  app.footer(examples({"adder convert DIR OUT --dtype bf16", "adder convert model.gguf OUT"}));
  return {&app, nullptr,
          [o] { return run_conversion(o->conversion, o->dtype ? written_dtype(*o->dtype) : std::nullopt); }};
}

}  // namespace adder::cli
