#include <fmt/format.h>

#include <memory>

#include "base/atomic_file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "cli/outputs.h"
#include "measure/profile.h"

namespace adder::cli {
namespace {

struct ProfileCommandOptions {
  ModelOptions model;
  ConsoleOptions console;
  measure::ProfileOptions profile;
  std::string by = "auto";
  std::filesystem::path trace;
  bool ops = false, json = false;
};

double flops(const hlo::Cost& cost) { return static_cast<double>(cost.dot_flops + cost.elementwise_flops); }
double mega(double amount) { return amount / 1e6; }
/// Thousands of millions a second.
double giga(double amount, double ms) { return ms > 0 ? amount / ms / 1e6 : 0; }
double share(double ms, double all) { return all > 0 ? ms / all : 0; }
/// What the clock shows beyond what was found.
double rest_ms(const measure::RunProfile& run) { return run.wall_ms - run.busy_ms; }

OrderedJson to_json(const measure::RunProfile& run, bool ops) {
  OrderedJson parts = OrderedJson::array();
  const double all = run.parts_ms();
  for (const measure::PartProfile& p : run.parts) {
    OrderedJson row{{"part", p.part},
                    {"ms", p.ms},
                    {"share", share(p.ms, all)},
                    {"runs", p.runs},
                    {"flops", p.cost.dot_flops + p.cost.elementwise_flops},
                    {"bytes", p.cost.bytes},
                    {"gb_per_s", giga(static_cast<double>(p.cost.bytes), p.ms)},
                    {"gflop_per_s", giga(flops(p.cost), p.ms)}};
    if (p.kernels >= 0) row["kernels"] = p.kernels;
    parts.push_back(std::move(row));
  }
  OrderedJson out{
      {"run", run.run},          {"unit", run.unit},         {"by", run.recorded ? "profiler" : "parts"},
      {"wall_ms", run.wall_ms},  {"parts_ms", all},          {"busy_ms", run.busy_ms},
      {"rest_ms", rest_ms(run)}, {"parts", std::move(parts)}};
  if (!run.kernels_unknown.empty()) out["kernels_unknown"] = run.kernels_unknown;
  if (!ops) return out;
  OrderedJson kernels = OrderedJson::array();
  for (const measure::KernelProfile& k : run.kernels) {
    OrderedJson row{{"part", k.part},
                    {"launches", k.launches},
                    {"name", k.kernel.name},
                    {"opcode", k.kernel.opcode},
                    {"op_name", k.kernel.op_name},
                    {"shape", k.kernel.shape},
                    {"bytes", k.kernel.bytes},
                    {"hlo", k.kernel.hlo}};
    if (k.ms >= 0) row["ms"] = k.ms;
    kernels.push_back(std::move(row));
  }
  out["ops"] = std::move(kernels);
  return out;
}

std::string parts_table(const measure::RunProfile& run) {
  const double all = run.parts_ms();
  std::string out = fmt::format("{}, a {}: {:.3f} ms by the clock; ", run.run, run.unit, run.wall_ms);
  out += run.recorded
             ? fmt::format("some kernel ran for {:.3f} ms, {:.3f} ms lie between kernels\n\n", run.busy_ms,
                           rest_ms(run))
             : fmt::format(
                   "its parts, timed on their own as sub-programs (the plugin has no profiler, or it was "
                   "not asked): {:.3f} ms\n\n",
                   all);
  out += "| part | ms | share | runs | us a run | kernels | MB | MFLOP | GB/s | GFLOP/s |\n";
  out += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  double kernels = 0;
  hlo::Cost sum;
  for (const measure::PartProfile& p : run.parts) {
    out += fmt::format("| {} | {:.3f} | {:.1f}% | {:g} | {:.1f} | {} | {:.3f} | {:.2f} | {:.1f} | {:.1f} |\n",
                       p.part, p.ms, 100 * share(p.ms, all), p.runs, p.runs > 0 ? 1e3 * p.ms / p.runs : 0,
                       p.kernels < 0 ? "?" : fmt::format("{:.0f}", p.kernels),
                       mega(static_cast<double>(p.cost.bytes)), mega(flops(p.cost)),
                       giga(static_cast<double>(p.cost.bytes), p.ms), giga(flops(p.cost), p.ms));
    kernels += std::max(p.kernels, 0.0);
    sum += p.cost;
  }
  out += fmt::format("| all parts | {:.3f} | 100% | | | {} | {:.3f} | {:.2f} | {:.1f} | {:.1f} |\n", all,
                     run.kernels_unknown.empty() ? fmt::format("{:.0f}", kernels) : "?",
                     mega(static_cast<double>(sum.bytes)), mega(flops(sum)),
                     giga(static_cast<double>(sum.bytes), all), giga(flops(sum), all));
  if (!run.kernels_unknown.empty()) out += fmt::format("\nkernels: {}\n", run.kernels_unknown);
  return out + "\n";
}

std::string kernels_table(const measure::RunProfile& run) {
  std::string out = fmt::format("kernels of {}, a {}\n\n", run.run, run.unit);
  out += "| part | launches | ms | opcode | result | KB a launch | first of them | contents |\n";
  out += "|---|---:|---:|---|---|---:|---|---|\n";
  for (const measure::KernelProfile& k : run.kernels)
    out += fmt::format("| {} | {:g} | {} | {} | {} | {:.1f} | {} | {} |\n", k.part, k.launches,
                       k.ms < 0 ? "-" : fmt::format("{:.3f}", k.ms), k.kernel.opcode, k.kernel.shape,
                       static_cast<double>(k.kernel.bytes) / 1e3, k.kernel.name, k.kernel.hlo);
  return out + "\n";
}

Status print_report(const ProfileCommandOptions& o, const engine::Engine& engine,
                    const measure::ProfileReport& report) {
  if (o.json) {
    OrderedJson runs = OrderedJson::array();
    for (const measure::RunProfile& r : report.runs) runs.push_back(to_json(r, o.ops));
    const OrderedJson out{{"model", engine.checkpoint().directory().filename().string()},
                          {"dtype", dtype_name(engine)},
                          {"batch", o.profile.batch},
                          {"device", engine.client().description()},
                          {"runs", std::move(runs)}};
    return print(json_line(out));
  }
  for (const measure::RunProfile& r : report.runs) {
    ADDER_CHECK(print(parts_table(r)));
    if (o.ops) ADDER_CHECK(print(kernels_table(r)));
  }
  return {};
}

Result<ExitCode> run(const ProfileCommandOptions& o) {
  Console console(o.console);
  const NamedFile outputs[] = {{"--trace", o.trace}};
  ADDER_CHECK(check_writable(outputs));
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  ADDER_CHECK(check_not_model(outputs, engine.checkpoint()));
  ADDER_CHECK(engine.load());
  measure::ProfileOptions options = o.profile;
  options.use_profiler = o.by == "auto";
  ADDER_TRY(const auto report,
            measure::run_profile(engine, options, [&](const std::string& part) { console.note(part); }));
  ADDER_CHECK(engine.check_unchanged());
  if (!o.trace.empty())
    ADDER_CHECK(write_atomically(
        o.trace, [&](AtomicFile& file) { return file.write(std::string_view(report.trace.json())); }));
  ADDER_CHECK(print_report(o, engine, report));
  return ExitCode::done;
}

}  // namespace

Command declare_profile(CLI::App& parent) {
  CLI::App& app =
      *parent.add_subcommand("profile", "where the time of decode and prefill goes, part by part");
  const auto o = std::make_shared<ProfileCommandOptions>();
  add_model_options(app, o->model);
  app.add_option("-p,--n-prompt", o->profile.prompt, "tokens of the prefill; 0: none")
      ->check(CLI::Range(0, 2048))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("-n,--n-gen", o->profile.generate, "decode steps, in one block; 0: none")
      ->check(CLI::Range(0, 4096))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("-b,--batch", o->profile.batch, "batch size")
      ->check(CLI::Range(1, 1 << 16))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("-r,--repetitions", o->profile.repetitions, "measurements; the median counts")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--depth", o->profile.depth, "how fine: names of a part's path, such as 1 for its first")
      ->check(CLI::Range(1, 100))
      ->type_name("N");
  app.add_option("--by", o->by, "auto: the plugin's profiler where it has one; parts: sub-programs, always")
      ->check(CLI::IsMember({"auto", "parts"}))
      ->type_name("HOW")
      ->capture_default_str();
  app.add_option("--trace", o->trace, "write a Chrome trace (chrome://tracing, ui.perfetto.dev)")
      ->type_name("FILE");
  app.add_flag("--ops", o->ops,
               "also list the kernels that the compiler made, with the part each comes from");
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(examples({"adder profile models/austen-3.6m -p 512 -n 64",
                       "adder profile DIR -p 0 -n 64 --ops --trace trace.json"}));
  return {&app, {}, [o] { return run(*o); }};
}

}  // namespace adder::cli
