#include "cli/conversion.h"

#include <fmt/format.h>

#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/model_source.h"
#include "hub/select.h"
#include "tokenizer/vocabulary_json.h"

namespace adder::cli {
namespace {

// A GGUF file carries its tokenizer; where Adder cannot read that, the weights are still worth having.
Status add_tokenizer(const checkpoint::Checkpoint& source, checkpoint::ConvertOptions& options,
                     Console& console) {
  ADDER_TRY(const std::optional<Vocabulary> vocabulary, source.vocabulary());
  if (!vocabulary) return {};
  auto json = tokenizer::tokenizer_json_from_vocabulary(*vocabulary, source.entries().front().view.file);
  if (json)
    options.extra_files["tokenizer.json"] = *std::move(json);
  else
    console.log(LogLevel::warn, "no tokenizer.json written: " + json.error().message);
  return {};
}

OrderedJson to_json(const ConversionOptions& o, const checkpoint::ConvertReport& report) {
  return {
      {"out", o.out.string()}, {"tensors", report.tensors}, {"files", report.files}, {"bytes", report.bytes}};
}

}  // namespace

void add_conversion_options(CLI::App& app, ConversionOptions& o) {
  app.add_option("source", o.source, "checkpoint directory or weights file")->required()->type_name("SRC");
  app.add_option("out", o.out, "folder to make")->required()->type_name("OUT");
  app.add_option("--max-shard-size,--shard-size", o.max_shard_bytes,
                 "bytes of one weights file at most (default: 5GB)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber)
      ->type_name("5GB");
  app.add_flag("--json", o.json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o.console);
}

Result<ExitCode> run_conversion(const ConversionOptions& o, std::optional<DType> dtype) {
  catch_interrupt();
  Console console(o.console);
  ADDER_TRY(const std::filesystem::path path, find_model(o.source, Fetch::ask, console));
  ADDER_TRY(const checkpoint::Checkpoint source, checkpoint::Checkpoint::open(path, console));
  checkpoint::ConvertOptions options;
  options.dtype = dtype;
  options.max_shard_bytes = o.max_shard_bytes;
  options.cancelled = [] { return interrupted().load(); };
  ADDER_CHECK(add_tokenizer(source, options, console));
  ADDER_TRY(const checkpoint::ConvertReport report, convert(source, o.out, options, console.progress()));
  if (hub::is_weights_name(o.out.filename().string()))
    console.log(LogLevel::warn,
                fmt::format("{} is a folder, holding config.json and safetensors files", o.out.string()));
  console.note(fmt::format("{} tensors, {} in {} file{}", report.tensors,
                           human_bytes(static_cast<double>(report.bytes)), report.files,
                           report.files == 1 ? "" : "s"));
  ADDER_CHECK(print(o.json ? json_line(to_json(o, report)) : o.out.string() + "\n"));
  return ExitCode::done;
}

}  // namespace adder::cli
