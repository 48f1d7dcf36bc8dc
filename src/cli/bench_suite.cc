#include "cli/bench_suite.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "cli/common_options.h"
#include "cli/outputs.h"
#include "cli/provenance.h"
#include "cli/suite_json.h"
#include "report/report.h"

namespace adder::cli {
namespace {

measure::SuiteOptions suite_options(const SuiteFlags& flags, std::optional<std::int64_t> repetitions) {
  measure::SuiteOptions out = flags.quick ? measure::SuiteOptions::quick() : measure::SuiteOptions();
  if (!flags.lengths.empty()) out.lengths = flags.lengths;
  out.max_position = flags.max_position.value_or(out.max_position);
  out.budget_s = flags.budget_s.value_or(out.budget_s);
  out.repetitions = repetitions.value_or(out.repetitions);
  return out;
}

/// Makes the folder of the results, and finds out before the work whether they can be written.
Status prepare_out(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return system_failure(folder, "make it", error.value());
  const NamedFile outputs[] = {{"--out", folder / "suite.json"}, {"--out", folder / "report.html"}};
  return check_writable(outputs);
}

Status write_text(const std::filesystem::path& file, std::string_view text) {
  return write_atomically(file, [&](AtomicFile& to) { return to.write(text); });
}

Result<OrderedJson> measure_model(const ModelOptions& model, const ConsoleOptions& verbosity,
                                  const measure::SuiteOptions& options, Console& console) {
  ADDER_TRY(engine::Engine engine, open_engine(model, verbosity, console));
  const std::string name = model_name(model.model, engine.checkpoint().directory());
  console.note(fmt::format("{}: {} on {}", name, dtype_name(engine), engine.client().description()));
  ADDER_CHECK(engine.load());
  ADDER_TRY(const measure::SuiteReport report,
            measure::run_suite(engine, options, [&](std::string_view line) {
              console.note(fmt::format("{}: {}", name, line));
            }));
  ADDER_CHECK(engine.check_unchanged());
  return suite_model(model, options, engine, report);
}

/// Draws report.html beside suite.json. Without gnuplot that is no failure: the numbers are there.
Result<std::string> draw_beside(const SuiteFlags& flags, const std::string& json, Console& console) {
  ADDER_TRY(const Json document, parse_json(json, "suite.json"));
  ADDER_TRY(std::vector<report::Model> models, report::read_suite(document, "suite.json"));
  const Result<std::string> page = report::render(std::move(models));
  if (!page && page.error().code == ErrorCode::not_found) {
    console.log(LogLevel::warn, page.error().message + "; " + page.error().hint);
    return std::string();
  }
  if (!page) return fail(page.error());
  ADDER_CHECK(write_text(flags.out / "report.html", *page));
  return (flags.out / "report.html").string() + "\n";
}

Result<ExitCode> draw_again(const SuiteFlags& flags) {
  ADDER_CHECK(prepare_out(flags.out));
  std::vector<report::Model> models;
  for (const std::filesystem::path& file : flags.reports) {
    ADDER_TRY(const Json document, read_json_file(file));
    ADDER_TRY(const std::vector<report::Model> more, report::read_suite(document, file.string()));
    models.insert(models.end(), more.begin(), more.end());
  }
  ADDER_TRY(const std::string page, report::render(std::move(models)));
  ADDER_CHECK(write_text(flags.out / "report.html", page));
  ADDER_CHECK(print((flags.out / "report.html").string() + "\n"));
  return ExitCode::done;
}

}  // namespace

void add_suite_flags(CLI::App& app, SuiteFlags& flags) {
  CLI::Option* suite = app.add_option("--suite", flags.suite,
                                      "paper: its experiments on each -m in turn, as JSON and a report")
                           ->check(CLI::IsMember({"paper"}))
                           ->type_name("NAME");
  app.add_option("--report", flags.reports, "draw the report of these suite files again, all in one")
      ->type_name("FILE.json")
      ->excludes(suite);
  app.add_option("--out", flags.out, "where suite.json and report.html go (default: the JSON to stdout)")
      ->type_name("DIR");
  app.add_option("--lengths", flags.lengths,
                 "suite: prompt and generation lengths (default: 128,512,1024,2048,4096)")
      ->delimiter(',')
      ->check(CLI::Range(2, 1 << 20))
      ->type_name("N,N,...")
      ->needs(suite);
  app.add_option("--max-position", flags.max_position,
                 "suite: how far decode latency by position is followed (default: 100000)")
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("N")
      ->needs(suite);
  app.add_option(
         "--budget", flags.budget_s,
         "suite: seconds a model, about; the most expensive points are left out (default: 360; 0: all)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS")
      ->needs(suite);
  app.add_flag("--quick", flags.quick, "suite: few and short points, to see that it works")->needs(suite);
}

Status check_suite_flags(const SuiteFlags& flags, std::size_t models) {
  const auto usage = [](std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message));
  };
  if (!flags.reports.empty()) {
    if (models > 0) return usage("--report measures nothing: leave --model out");
    if (flags.out.empty()) return usage("--report needs --out DIR, where report.html goes");
    return {};
  }
  if (models == 0) return usage(std::string(kNoModel));
  if (!flags.suite.empty()) return {};
  if (!flags.out.empty()) return usage("--out goes with --suite paper or --report");
  return {};
}

Result<ExitCode> run_suites(const SuiteFlags& flags, const std::vector<std::filesystem::path>& models,
                            const ModelOptions& how, const ConsoleOptions& verbosity,
                            std::optional<std::int64_t> repetitions) {
  if (!flags.reports.empty()) return draw_again(flags);
  Console console(verbosity);
  const measure::SuiteOptions options = suite_options(flags, repetitions);
  if (!flags.out.empty()) ADDER_CHECK(prepare_out(flags.out));
  std::vector<OrderedJson> done;
  std::string json;
  for (const std::filesystem::path& path : models) {
    ModelOptions model = how;
    model.model = path;
    ADDER_TRY(OrderedJson measured, measure_model(model, verbosity, options, console));
    done.push_back(std::move(measured));
    json = to_text(suite_document(done), 1) + "\n";
    // After every model, so that a later one that fails costs nothing that was measured.
    if (!flags.out.empty()) ADDER_CHECK(write_text(flags.out / "suite.json", json));
  }
  if (flags.out.empty()) {
    ADDER_CHECK(print(json));
    return ExitCode::done;
  }
  ADDER_TRY(const std::string page, draw_beside(flags, json, console));
  ADDER_CHECK(print((flags.out / "suite.json").string() + "\n" + page));
  return ExitCode::done;
}

}  // namespace adder::cli
