#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "checkpoint/auto_dtype.h"
#include "checkpoint/check_values.h"
#include "checkpoint/model_fingerprint.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/model_source.h"
#include "cli/model_tokenizer.h"
#include "engine/engine.h"
#include "formats/encoding.h"

namespace adder::cli {
namespace {

struct InspectOptions {
  std::string model;
  ConsoleOptions console;
  bool json = false, tensors = false, check = false, fingerprint = false;
};

struct Amount {
  std::int64_t tensors = 0, bytes = 0;
};

/// What `inspect` reports, computed once for both ways of printing.
struct Findings {
  std::map<std::string, Amount> stored;    ///< by element type, as the file names it
  std::int64_t state_bytes = 0;            ///< of one sequence
  DType own_dtype = DType::f32;            ///< what --dtype auto resolves to
  std::string tokenizer;                   ///< where it is, or why there is none
  std::optional<std::string> fingerprint;  ///< if asked for
  std::int64_t weight_bytes_f32 = 0, weight_bytes_bf16 = 0, weight_bytes_int8 = 0;
};

/// As a device would hold them, matrices in that type.
std::int64_t weight_bytes(const arch::Config& config, DType dtype) {
  std::int64_t n = 0;
  for (const arch::Parameter& p : arch::parameters(config.tensors(), {.weight_dtype = dtype, .parts = false}))
    n += p.shape.bytes();
  return n;
}

std::string describe_tokenizer(const checkpoint::Checkpoint& checkpoint, Console& console) {
  const auto found = find_tokenizer({}, checkpoint, console);
  if (!found) return "cannot be used: " + found.error().message;
  if (!*found) return "none: name one with --tokenizer";
  return fmt::format("{}, {} tokens", (*found)->source, (*found)->tokenizer.vocab_size());
}

Findings examine(const checkpoint::Checkpoint& checkpoint, Console& console) {
  Findings out;
  out.own_dtype = checkpoint::stored_dtype(checkpoint);
  out.tokenizer = describe_tokenizer(checkpoint, console);
  for (const auto& entry : checkpoint.entries()) {
    Amount& amount = out.stored[formats::stored_type(entry.view)];
    ++amount.tensors;
    amount.bytes += formats::stored_size(entry.view);
  }
  const arch::Config& config = checkpoint.config();
  for (const arch::StateField& field : config.layer_state(0)) out.state_bytes += field.shape(1).bytes();
  out.weight_bytes_f32 = weight_bytes(config, DType::f32);
  out.weight_bytes_bf16 = weight_bytes(config, DType::bf16);
  out.weight_bytes_int8 = weight_bytes(config, DType::s8);
  return out;
}

OrderedJson config_json(const arch::Config& config) {
  OrderedJson out = config.facts();
  out["eos_token_ids"] = config.eos_token_ids;
  return out;
}

OrderedJson to_json(const checkpoint::Checkpoint& checkpoint, const Findings& f, bool with_tensors) {
  const auto memory = [&](std::int64_t weights) {
    return OrderedJson{{"weights", weights}, {"state", f.state_bytes}, {"total", weights + f.state_bytes}};
  };
  OrderedJson out{{"path", checkpoint.directory().string()},
                  {"architecture", checkpoint.config().architecture()},
                  {"dialect", name(checkpoint.config().dialect)},
                  {"format", checkpoint.format()},
                  {"config", config_json(checkpoint.config())},
                  {"parameters", checkpoint.parameter_count()},
                  {"stored_bytes", checkpoint.stored_bytes()},
                  {"stored_dtypes", OrderedJson::object()},
                  {"dtype", dtype_name(f.own_dtype)},
                  {"tokenizer", f.tokenizer},
                  {"state_bytes_per_sequence", f.state_bytes},
                  {"memory_bytes",
                   {{"f32", memory(f.weight_bytes_f32)},
                    {"bf16", memory(f.weight_bytes_bf16)},
                    {"int8", memory(f.weight_bytes_int8)}}}};
  for (const auto& [dtype, amount] : f.stored)
    out["stored_dtypes"][dtype] = {{"tensors", amount.tensors}, {"bytes", amount.bytes}};
  if (f.fingerprint) out["fingerprint"] = *f.fingerprint;
  if (!with_tensors) return out;
  out["tensors"] = OrderedJson::array();
  for (const auto& [field, view] : checkpoint.entries())
    out["tensors"].push_back({{"name", field.name},
                              {"stored_as", view.name},
                              {"dtype", formats::stored_type(view)},
                              {"shape", view.shape.dims},
                              {"bytes", formats::stored_size(view)},
                              {"file", std::filesystem::path(view.file).filename().string()}});
  return out;
}

std::string to_text(const checkpoint::Checkpoint& checkpoint, const Findings& f, bool with_tensors) {
  const arch::Config& c = checkpoint.config();
  std::string out;
  const auto line = [&](std::string_view key, const std::string& value) {
    out += fmt::format("{:<13} {}\n", key, value);
  };
  const auto bytes = [](std::int64_t n) { return human_bytes(static_cast<double>(n)); };
  line("path", checkpoint.directory().string());
  line("architecture", fmt::format("{} language model, {} conventions", c.title(), name(c.dialect)));
  line("sizes", c.describe());
  line("vocabulary", fmt::format("{} tokens in {} rows, {} head", c.vocab_size, c.padded_vocab_size,
                                 c.tie_embeddings ? "tied" : "separate"));
  line("parameters", fmt::format("{} ({:.1f} M)", checkpoint.parameter_count(),
                                 static_cast<double>(checkpoint.parameter_count()) / 1e6));
  std::string stored;
  for (const auto& [dtype, amount] : f.stored)
    stored += fmt::format("{}{}: {} tensors, {}", stored.empty() ? "" : "; ", dtype, amount.tensors,
                          bytes(amount.bytes));
  line("stored", fmt::format("{} ({})", stored, checkpoint.format()));
  line("tokenizer", f.tokenizer);
  if (f.fingerprint) line("fingerprint", *f.fingerprint);
  line("state",
       fmt::format("{} bytes ({}) a sequence, at every length", f.state_bytes, bytes(f.state_bytes)));
  const std::pair<DType, std::int64_t> memory[] = {
      {DType::f32, f.weight_bytes_f32}, {DType::bf16, f.weight_bytes_bf16}, {DType::s8, f.weight_bytes_int8}};
  for (const auto& [dtype, weights] : memory)
    line("memory, " + dtype_name(dtype),
         fmt::format("{} of weights and one state{}", bytes(weights + f.state_bytes),
                     dtype == f.own_dtype ? " (--dtype auto)" : ""));
  if (!with_tensors) return out;
  std::size_t width = 0;
  for (const auto& [field, view] : checkpoint.entries()) width = std::max(width, field.name.size());
  out += fmt::format("\n{:<{}} {:<5} {:<18} {:>10}  {}\n", "tensor", width, "type", "shape", "bytes", "file");
  for (const auto& [field, view] : checkpoint.entries())
    out += fmt::format("{:<{}} {:<5} {:<18} {:>10}  {}\n", field.name, width, formats::stored_type(view),
                       to_string(view.shape.dims), formats::stored_size(view),
                       printable(std::filesystem::path(view.file).filename().string()));
  return out;
}

Result<std::string> read_fingerprint(const checkpoint::Checkpoint& checkpoint, Console& console) {
  catch_interrupt();
  ADDER_TRY(const std::uint64_t fingerprint,
            checkpoint::fingerprint_of(checkpoint, {.memory = engine::default_cache_dir().parent_path(),
                                                    .progress = &console.progress(),
                                                    .stop = &interrupted()}));
  return fmt::format("{:016x}", fingerprint);
}

/// Reads all weights; what is wrong with them as one error.
Status check_weights(const checkpoint::Checkpoint& checkpoint, Console& console) {
  ADDER_TRY(const auto bad, checkpoint::find_bad_values(checkpoint, console.progress()));
  if (bad.empty()) {
    console.note(fmt::format("all values of {} tensors are finite", checkpoint.entries().size()));
    return {};
  }
  std::string lines;
  for (const checkpoint::BadTensor& tensor : bad) {
    lines += fmt::format("\n  {}: {}", tensor.name, tensor.first);
    if (tensor.count > 1) lines += fmt::format(" (and {} more)", tensor.count - 1);
  }
  return fail(ErrorCode::corrupt, fmt::format("{}: weights that are not finite or overflow:{}",
                                              checkpoint.directory().string(), lines));
}

Result<ExitCode> run(const InspectOptions& o) {
  Console console(o.console);
  ADDER_TRY(const std::filesystem::path model, find_model(o.model, Fetch::ask, console));
  ADDER_TRY(const checkpoint::Checkpoint checkpoint, checkpoint::Checkpoint::open(model, console));
  if (o.check) ADDER_CHECK(check_weights(checkpoint, console));
  Findings findings = examine(checkpoint, console);
  if (o.fingerprint) {
    ADDER_TRY(findings.fingerprint, read_fingerprint(checkpoint, console));
  }
  ADDER_CHECK(print(o.json ? json_line(to_json(checkpoint, findings, o.tensors))
                           : to_text(checkpoint, findings, o.tensors)));
  return ExitCode::done;
}

}  // namespace

Command declare_inspect(CLI::App& parent) {
  CLI::App& app =
      *parent.add_subcommand("inspect", "say what a checkpoint holds and what it needs; loads no plugin");
  const auto o = std::make_shared<InspectOptions>();
  app.add_option(
         "-m,--model,model", o->model,
         "checkpoint folder, weights file, or ORG/NAME[@REV] of a hub; may also be the first argument, "
         "without -m")
      ->required()
      ->type_name("MODEL");
  app.add_flag("--tensors", o->tensors, "list every tensor");
  app.add_flag("--check", o->check, "read all weights too: fail where one is infinite, NaN, or overflows");
  app.add_flag("--fingerprint", o->fingerprint,
               "what state snapshots know the model by; reads all weights the first time");
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(examples({"adder inspect models/austen-3.6m", "adder inspect model.gguf --tensors"}));
  return {&app, nullptr, [o] { return run(*o); }};
}

}  // namespace adder::cli
