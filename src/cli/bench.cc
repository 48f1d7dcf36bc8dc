#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "cli/bench_output.h"
#include "cli/bench_suite.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/number_ranges.h"

namespace adder::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  ConsoleOptions console;
  measure::BenchmarkOptions bench;
  std::vector<std::filesystem::path> models;
  std::optional<std::int64_t> repetitions;
  SuiteFlags suite;
  std::string output = "md";
};

Result<BenchedModel> measure(const BenchOptions& o, const std::filesystem::path& path, Console& console) {
  ModelOptions model = o.model;
  model.model = path;
  model.tune_rows = o.bench.batches;
  measure::BenchmarkOptions options = o.bench;
  options.repetitions = o.repetitions.value_or(options.repetitions);
  options.cancelled = [] { return interrupted().load(); };
  ADDER_TRY(engine::Engine engine, open_engine(model, o.console, console));
  ADDER_CHECK(engine.load());
  BenchedModel out;
  out.name = model_name(path, engine.checkpoint().directory());
  out.dtype = dtype_name(engine);
  out.description = engine.client().description();
  out.device = device_json(engine);
  out.on_host = engine.client().platform_name() == "cpu";
  out.weight_bytes = engine.weight_bytes();
  ADDER_TRY(out.report, measure::run_benchmark(engine, options, [&](const measure::BenchmarkRow& row) {
              console.note(fmt::format("{} {} batch {}: {:.1f} tok/s", out.name, row.test, row.batch,
                                       row.tokens_per_s));
            }));
  ADDER_CHECK(engine.check_unchanged());
  return out;
}

Result<ExitCode> run(const BenchOptions& o) {
  if (o.suite.wanted()) return run_suites(o.suite, o.models, o.model, o.console, o.repetitions);
  catch_interrupt();
  Console console(o.console);
  std::vector<BenchedModel> models;
  for (const std::filesystem::path& path : o.models) {
    ADDER_TRY(BenchedModel measured, measure(o, path, console));
    models.push_back(std::move(measured));
  }
  const Host host = Host::current();
  const auto text = [&]() -> std::string {
    if (o.output == "json") return json_line(bench_json(models, host));
    if (o.output == "jsonl") return bench_jsonl(models, host);
    return o.output == "csv" ? bench_csv(models, host) : bench_markdown(models, host);
  };
  ADDER_CHECK(print(text()));
  return ExitCode::done;
}

Status check(const BenchOptions& o) {
  ADDER_CHECK(check_suite_flags(o.suite, o.models.size()));
  if (!o.suite.wanted() && o.bench.prompts.empty() && o.bench.generates.empty())
    return fail(ErrorCode::invalid_argument, "-p 0 and -n 0 leave nothing to measure");
  return {};
}

/// A flag that takes numbers and ranges, several of them separated by commas; zeros are left out if
/// `zero_is_none`.
CLI::Option* add_numbers(CLI::App& app, const char* flag, std::vector<std::int64_t>& to, NumberLimits limits,
                         bool zero_is_none, const char* help) {
  const auto read = [&to, limits, zero_is_none](const std::vector<std::string>& words) {
    to.clear();
    for (const std::string& word : words) {
      const auto numbers = parse_range(word, limits);
      if (!numbers) throw CLI::ValidationError(numbers.error().message);
      for (const std::int64_t n : *numbers)
        if ((n != 0 || !zero_is_none) && std::find(to.begin(), to.end(), n) == to.end()) to.push_back(n);
    }
  };
  return app.add_option_function<std::vector<std::string>>(flag, read, help)
      ->delimiter(',')
      ->type_name("N,FIRST-LAST[+STEP|*FACTOR]")
      ->default_str(fmt::format("{}", fmt::join(to, ",")));
}

}  // namespace

Command declare_bench(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "bench", "measure prefill and decode, as shares of what the machine can do through the same plugin");
  const auto o = std::make_shared<BenchOptions>();
  app.add_option(
         "-m,--model,models", o->models,
         "checkpoint directory, weights file, or ORG/NAME[@REV] as pulled; several are measured in turn")
      ->delimiter(',')
      ->type_name("DIR|FILE|ORG/NAME");
  add_run_options(app, o->model);
  constexpr std::int64_t kMost = 1 << 20;
  add_numbers(app, "-p,--n-prompt", o->bench.prompts, {0, kMost}, true, "prompt lengths, rows ppN; 0: none");
  add_numbers(app, "-n,--n-gen", o->bench.generates, {0, kMost}, true,
              "numbers of generated tokens, rows tgN; 0: none");
  add_numbers(app, "-b,--parallel,--batch", o->bench.batches, {1, kMost}, false,
              "sequences that are computed together");
  add_numbers(app, "-d,--n-depth", o->bench.depths, {0, kMost}, false,
              "tokens absorbed before a test begins, rows \"tgN @ dD\"");
  app.add_option("-r,--repetitions", o->repetitions,
                 "runs that count, after one that does not (default: 5; of a suite 3)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  app.add_option("--block", o->bench.block, "decode steps in one device call")
      ->check(CLI::Range(1, 4096))
      ->type_name("S")
      ->capture_default_str();
  app.add_option("-o,--output", o->output, "md, json, jsonl or csv")
      ->check(CLI::IsMember({"md", "json", "jsonl", "csv"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  add_suite_flags(app, o->suite);
  add_console_options(app, o->console);
  app.footer(examples({"adder bench models/austen-3.6m -p 512 -n 128",
                       "adder bench DIR --dtype bf16 -p 128,1024 -n 64 -b 1,8 -o json"}));
  return {&app, [o] { return check(*o); }, [o] { return run(*o); }};
}

}  // namespace adder::cli
