#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/bench_suite.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "engine/benchmark.h"

namespace adder::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  ConsoleOptions console;
  engine::BenchmarkOptions bench;
  std::vector<std::filesystem::path> models;
  std::optional<std::int64_t> repetitions;
  SuiteFlags suite;
  std::string output = "md";
};

OrderedJson to_json(const BenchOptions& o, const engine::Engine& engine,
                    const engine::BenchmarkReport& report) {
  OrderedJson rows = OrderedJson::array();
  for (const engine::BenchmarkRow& row : report.rows)
    rows.push_back({{"test", row.test},
                    {"model", engine.checkpoint().directory().filename().string()},
                    {"dtype", o.model.dtype},
                    {"batch", row.batch},
                    {"depth", row.depth},
                    {"tokens_per_s", row.tokens_per_s},
                    {"tokens_per_s_sd", row.tokens_per_s_sd},
                    {"gemm_share", row.gemm_share},
                    {"bandwidth_share", row.bandwidth_share},
                    {"state_bytes", row.state_bytes},
                    {"peak_bytes", row.peak_bytes}});
  return {
      {"machine", {{"read_gb_s", report.machine.read_gb_s}, {"gemm_gflop_s", report.machine.gemm_gflop_s}}},
      {"rows", rows}};
}

std::string to_markdown(const BenchOptions& o, const engine::Engine& engine,
                        const engine::BenchmarkReport& report) {
  std::string out =
      fmt::format("{}, read {:.1f} GB/s, float32 GEMM {:.0f} GFLOP/s\n\n", engine.client().description(),
                  report.machine.read_gb_s, report.machine.gemm_gflop_s);
  out += "| test | model | dtype | batch | tok/s | GEMM share | bandwidth share | state MB | peak MB |\n";
  out += "|---|---|---|---:|---:|---:|---:|---:|---:|\n";
  for (const engine::BenchmarkRow& row : report.rows)
    out +=
        fmt::format("| {} | {} | {} | {} | {:.1f} ± {:.1f} | {:.0f}% | {:.0f}% | {:.1f} | {:.1f} |\n",
                    row.test, engine.checkpoint().directory().filename().string(), o.model.dtype, row.batch,
                    row.tokens_per_s, row.tokens_per_s_sd, 100 * row.gemm_share, 100 * row.bandwidth_share,
                    static_cast<double>(row.state_bytes) / 1e6, static_cast<double>(row.peak_bytes) / 1e6);
  return out;
}

Result<ExitCode> run(BenchOptions o) {
  if (o.suite.wanted()) return run_suites(o.suite, o.models, o.model, o.console, o.repetitions);
  Console console(o.console);
  o.model.model = o.models.front();
  o.bench.repetitions = o.repetitions.value_or(o.bench.repetitions);
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  ADDER_CHECK(engine.load());
  ADDER_TRY(const engine::BenchmarkReport report,
            engine::run_benchmark(engine, o.bench, [&](const engine::BenchmarkRow& row) {
              console.note(fmt::format("{} batch {}: {:.1f} tok/s", row.test, row.batch, row.tokens_per_s));
            }));
  ADDER_CHECK(engine.check_unchanged());
  ADDER_CHECK(
      print(o.output == "json" ? json_line(to_json(o, engine, report)) : to_markdown(o, engine, report)));
  return ExitCode::done;
}

}  // namespace

Command declare_bench(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "bench", "measure prefill and decode, as shares of what the machine can do through the same plugin");
  const auto o = std::make_shared<BenchOptions>();
  const auto list = [&](const char* flag, std::vector<std::int64_t>& to, const char* help) {
    app.add_option(flag, to, help)->delimiter(',')->check(CLI::Range(1, 1 << 20))->capture_default_str();
  };
  app.add_option("-m,--model", o->models,
                 "checkpoint directory, weights file, or ORG/NAME[@REV] as pulled; a suite takes several")
      ->delimiter(',')
      ->type_name("DIR|FILE|ORG/NAME");
  add_run_options(app, o->model);
  list("-p,--n-prompt", o->bench.prompts, "prompt lengths, rows ppN");
  list("-n,--n-gen", o->bench.generates, "numbers of generated tokens, rows tgN");
  list("-b,--batch", o->bench.batches, "batch sizes");
  app.add_option("-d,--n-depth", o->bench.depths, "tokens absorbed before a test begins, rows \"tgN @ dD\"")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("-r,--repetitions", o->repetitions,
                 "runs that count, after one that does not (default: 5; of a suite 3)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  app.add_option("--block", o->bench.block, "decode steps in one device call")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("-o,--output", o->output, "md or json")
      ->check(CLI::IsMember({"md", "json"}))
      ->capture_default_str();
  add_suite_flags(app, o->suite);
  add_console_options(app, o->console);
  return {&app, [o] { return check_suite_flags(o->suite, o->models.size()); }, [o] { return run(*o); }};
}

}  // namespace adder::cli
