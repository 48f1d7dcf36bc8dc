#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "engine/profile.h"

namespace adder::cli {
namespace {

struct ProfileCommandOptions {
  ModelOptions model;
  ConsoleOptions console;
  engine::ProfileOptions profile;
  bool json = false;
};

std::string table(const engine::RunProfile& run) {
  std::string out = fmt::format("{}: {:.3f} ms a {} as it is, {:.3f} ms as parts on their own\n\n", run.run,
                                run.whole_ms, run.unit, run.parts_ms());
  out += "| part | ms | share | runs | us a run | GB/s | GFLOP/s |\n|---|---:|---:|---:|---:|---:|---:|\n";
  for (const engine::PartTiming& p : run.parts)
    out += fmt::format("| {} | {:.3f} | {:.1f}% | {} | {:.1f} | {:.1f} | {:.1f} |\n",
                       p.scope.empty() ? "other" : p.scope, p.ms, 100 * p.ms / run.parts_ms(), p.runs,
                       1e3 * p.ms / static_cast<double>(std::max<std::int64_t>(p.runs, 1)),
                       static_cast<double>(p.cost.bytes) / p.ms / 1e6,
                       static_cast<double>(p.cost.dot_flops + p.cost.elementwise_flops) / p.ms / 1e6);
  return out + "\n";
}

Result<ExitCode> run(const ProfileCommandOptions& o) {
  Console console(o.console);
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  ADDER_CHECK(engine.load());
  ADDER_TRY(const auto runs, engine::profile(engine, o.profile));
  for (const engine::RunProfile& r : runs) ADDER_CHECK(print(table(r)));
  return ExitCode::done;
}

}  // namespace

Command declare_profile(CLI::App& parent) {
  CLI::App& app =
      *parent.add_subcommand("profile", "where the time of decode and prefill goes, part by part");
  const auto o = std::make_shared<ProfileCommandOptions>();
  add_model_options(app, o->model);
  app.add_option("-p,--n-prompt", o->profile.prompt, "tokens of the prompt; 0: no prefill")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  app.add_option("-n,--n-gen", o->profile.generate, "tokens generated; 0: no decode")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.add_option("-b,--batch", o->profile.batch, "batch size")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  app.add_option("-r,--repetitions", o->profile.repetitions, "measurements of each part; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_console_options(app, o->console);
  return {&app, {}, [o] { return run(*o); }};
}

}  // namespace adder::cli
