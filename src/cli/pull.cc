#include "hub/pull.h"

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "hub/model_id.h"

namespace adder::cli {
namespace {

struct PullCommandOptions {
  hub::PullOptions pull;
  ConsoleOptions console;
  bool json = false;
};

OrderedJson to_json(const hub::PullResult& result) {
  OrderedJson out{{"model", result.model.string()},
                  {"snapshot", result.snapshot.string()},
                  {"commit", result.commit},
                  {"bytes_total", result.bytes_total},
                  {"bytes_fetched", result.bytes_fetched},
                  {"files", OrderedJson::array()}};
  for (const hub::PulledFile& file : result.files)
    out["files"].push_back(
        {{"path", file.path}, {"bytes", file.size}, {"bytes_fetched", file.bytes_fetched}});
  return out;
}

std::string summary(const hub::PullResult& result) {
  const auto bytes = [](std::uint64_t n) { return human_bytes(static_cast<double>(n)); };
  if (result.files.empty()) return "as it is in the cache (HF_HUB_OFFLINE)";
  return fmt::format("{} files, {}; {} fetched", result.files.size(), bytes(result.bytes_total),
                     bytes(result.bytes_fetched));
}

Status check(const PullCommandOptions& o) {
  if (auto id = hub::parse_model_id(o.pull.id); !id) return fail(std::move(id).error());
  return {};
}

Result<ExitCode> run(const PullCommandOptions& o) {
  Console console(o.console);
  catch_interrupt();
  ADDER_TRY(const hub::PullResult result,
            hub::pull(o.pull, hub::Environment::system(), {console, &interrupted()}, console.progress()));
  console.note(fmt::format("{}: {}", o.pull.id, summary(result)));
  ADDER_CHECK(print(o.json ? json_line(to_json(result)) : result.model.string() + "\n"));
  return ExitCode::done;
}

}  // namespace

Command declare_pull(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "pull", "download a model from a hub into the Hugging Face cache; prints where it is");
  const auto o = std::make_shared<PullCommandOptions>();
  app.add_option("model", o->pull.id, "which model, at which branch, tag or commit (default: main)")
      ->required()
      ->type_name("ORG/NAME[@REV]");
  app.add_option("--include", o->pull.include,
                 "fetch these weights instead of the safetensors, as in '*Q8_0.gguf'; may be repeated")
      ->type_name("GLOB")
      ->expected(1);
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(
      examples({"adder pull AntonV/mamba2-130m-hf", "adder pull ORG/NAME@REV --include '*Q8_0.gguf'"}) +
      "\n\nReads HF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE as Hugging Face's tools "
      "do.\n"
      "An interrupted download goes on where it stopped.");
  return {&app, [o] { return check(*o); }, [o] { return run(*o); }};
}

}  // namespace adder::cli
