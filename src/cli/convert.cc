#include "checkpoint/convert.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "tokenizer/vocabulary_json.h"

namespace adder::cli {
namespace {

struct ConvertCommandOptions {
  std::filesystem::path source, out;
  std::optional<std::string> dtype;
  std::uint64_t max_shard_bytes = checkpoint::ConvertOptions().max_shard_bytes;
  ConsoleOptions console;
  bool json = false;
};

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

OrderedJson to_json(const ConvertCommandOptions& o, const checkpoint::ConvertReport& report) {
  return {
      {"out", o.out.string()}, {"tensors", report.tensors}, {"files", report.files}, {"bytes", report.bytes}};
}

Result<ExitCode> run(const ConvertCommandOptions& o) {
  catch_interrupt();
  Console console(o.console);
  ADDER_TRY(const checkpoint::Checkpoint source, checkpoint::Checkpoint::open(o.source, console));
  checkpoint::ConvertOptions options;
  if (o.dtype) options.dtype = parse_dtype(*o.dtype);
  options.max_shard_bytes = o.max_shard_bytes;
  options.cancelled = [] { return interrupted().load(); };
  ADDER_CHECK(add_tokenizer(source, options, console));
  ADDER_TRY(const checkpoint::ConvertReport report, convert(source, o.out, options, console.progress()));
  console.note(fmt::format("{} tensors, {} in {} file{}", report.tensors,
                           human_bytes(static_cast<double>(report.bytes)), report.files,
                           report.files == 1 ? "" : "s"));
  ADDER_CHECK(print(o.json ? to_json(o, report).dump() + "\n" : o.out.string() + "\n"));
  return ExitCode::done;
}

}  // namespace

Command declare_convert(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "convert", "write a checkpoint of any format as Hugging Face safetensors; loads no plugin");
  const auto o = std::make_shared<ConvertCommandOptions>();
  app.add_option("source", o->source, "checkpoint directory or weights file")->required()->type_name("SRC");
  app.add_option("out", o->out, "directory to make")->required()->type_name("OUT");
  app.add_option("--dtype", o->dtype,
                 "f32: everything; bf16: projections, embedding and head (default: as stored; quantised "
                 "weights become f32)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--max-shard-size", o->max_shard_bytes, "bytes of one weights file at most (default: 5GB)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber)
      ->type_name("5GB");
  app.add_flag("--json", o->json, "print one JSON object");
  add_console_options(app, o->console);
  return {&app, nullptr, [o] { return run(*o); }};
}

}  // namespace adder::cli
