#include <fmt/format.h>

#include <memory>

#include "ahead/compile.h"
#include "checkpoint/auto_dtype.h"
#include "checkpoint/checkpoint.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "engine/weights.h"
#include "pjrt/plugin_search.h"

namespace adder::cli {
namespace {

struct CompileOptions {
  std::string model;
  std::filesystem::path output, dump_hlo;
  std::string target, plugin, dtype = "auto", precision = "highest", only;
  std::int64_t batch = 1;
  ConsoleOptions console;
  bool json = false;
};

/// What is compiled, of a checkpoint or of a config file alone: no weights are needed to compile.
struct Compiled {
  arch::ConfigRef config;
  DType dtype = DType::f32;  ///< --dtype, or as stored
};
Result<Compiled> read_model(const std::filesystem::path& path, const std::string& dtype, LogSink& log) {
  std::error_code ignored;
  const auto of_config = [&](const std::filesystem::path& file) -> Result<Compiled> {
    ADDER_TRY(arch::ConfigRef config, arch::read_config(file));
    return Compiled{std::move(config), weight_dtype(dtype).value_or(DType::f32)};
  };
  if (path.extension() == ".json") return of_config(path);
  auto checkpoint = checkpoint::Checkpoint::open(path, log);
  if (checkpoint) {
    const auto asked = weight_dtype(dtype);  // finding out what is stored may read weights
    return Compiled{checkpoint->config_ref(), asked ? *asked : checkpoint::stored_dtype(*checkpoint)};
  }
  for (const char* name : {"config.json", "params.json"})
    if (checkpoint.error().code == ErrorCode::not_found && std::filesystem::exists(path / name, ignored))
      return of_config(path / name);
  return fail(std::move(checkpoint).error());
}

Result<std::filesystem::path> find_plugin(const std::string& asked, const ahead::Target& target) {
  pjrt::SearchEnvironment environment = pjrt::SearchEnvironment::system();
  environment.compile_only = true;
  auto found = pjrt::find_plugin(asked.empty() ? target.platform : asked, environment);
  if (found) return found->path;
  Error error = std::move(found).error();
  if (asked.empty())
    error.hint = fmt::format(
        "target {} needs the {} plugin's wheels, not the device: `./x targets` fetches them, or name the "
        "plugin with --plugin",
        target.name, target.platform);
  return fail(std::move(error));
}

OrderedJson to_json(const ahead::ProgramReport& p) {
  const auto maybe = [](const auto& value) { return value ? OrderedJson(*value) : OrderedJson(nullptr); };
  return {{"name", p.name},
          {"compile_s", p.compile_s},
          {"argument_bytes", maybe(p.argument_bytes)},
          {"aliased_bytes", maybe(p.aliased_bytes)},
          {"temporary_bytes", maybe(p.temporary_bytes)},
          {"kernels_per_step", maybe(p.kernels)},
          {"copies_per_step", maybe(p.copies)},
          {"bytes_accessed", maybe(p.bytes_accessed)},
          {"bytes_needed", p.bytes_needed},
          {"flops", p.flops},
          {"optimal_s", maybe(p.optimal_s)}};
}

/// "1.23" of a known value, "-" otherwise.
template <class T>
std::string cell(const std::optional<T>& value, double scale, int digits) {
  return value ? fmt::format("{:.{}f}", static_cast<double>(*value) / scale, digits) : "-";
}

/// What the needed work would be of the target's peaks in the compiler's own time.
std::string shares(const ahead::ProgramReport& p, const ahead::Target& target, DType dtype) {
  if (!p.optimal_s) return "-";
  const std::optional<double> peak = dtype == DType::f32 ? target.f32_flops : target.bf16_flops;
  std::string out;
  if (target.bandwidth)
    out += fmt::format("{:.0f}%", 100 * p.bytes_needed / *p.optimal_s / *target.bandwidth);
  if (peak)
    out += fmt::format("{}{:.0f}%", out.empty() ? "- / " : " / ", 100 * p.flops / *p.optimal_s / *peak);
  return out.empty() ? "-" : out;
}

std::string to_markdown(const CompileOptions& o, DType dtype, const ahead::Target& target,
                        const ahead::CompileReport& report) {
  std::string out = fmt::format("{}, {}, {}, batch {}\n\n", o.model, dtype_name(dtype), target.name, o.batch);
  out +=
      "| program | compile s | arguments MB | aliased MB | temporaries MB | kernels | copies | accessed MB | "
      "needed MB | GFLOP | estimate us | of bandwidth / of FLOP/s |\n";
  out += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const ahead::ProgramReport& p : report.programs)
    out += fmt::format("| {} | {:.1f} | {} | {} | {} | {} | {} | {} | {:.1f} | {:.2f} | {} | {} |\n", p.name,
                       p.compile_s, cell(p.argument_bytes, 1e6, 1), cell(p.aliased_bytes, 1e6, 1),
                       cell(p.temporary_bytes, 1e6, 1), cell(p.kernels, 1, 0), cell(p.copies, 1, 0),
                       cell(p.bytes_accessed, 1e6, 1), p.bytes_needed / 1e6, p.flops / 1e9,
                       cell(p.optimal_s, 1e-6, 1), shares(p, target, dtype));
  return out + "\nkernels, copies, bytes and FLOP: of decode a step, of extend a run\n";
}

Result<ExitCode> run(const CompileOptions& o) {
  Console console(o.console);
  ADDER_TRY(ahead::Target target, ahead::find_target(o.target));
  ADDER_TRY(const std::filesystem::path path, find_model(o.model, Fetch::ask, console));
  ADDER_TRY(const Compiled model, read_model(path, o.dtype, console));
  ADDER_TRY(const std::filesystem::path plugin, find_plugin(o.plugin, target));
  const ahead::CompileRequest request{
      .target = target,
      .plugin = plugin,
      .model = model.config,
      .weight_dtype = model.dtype,
      .precision = precision_of(o.precision),
      .batch = o.batch,
      .only = o.only,
      .cache_dir = o.output.empty() ? o.output : o.output / engine::kExecutablesFolder,
      .dump_hlo = o.dump_hlo,
      .verbose_plugin = o.console.verbose && !o.console.quiet};
  ADDER_TRY(const ahead::CompileReport report,
            ahead::compile_for(request, [&](const ahead::CompiledFor& done) {
              console.note(fmt::format("{}: {:.1f} s", done.report.name, done.report.compile_s));
            }));
  if (!o.json) {
    ADDER_CHECK(print(to_markdown(o, model.dtype, target, report)));
    return ExitCode::done;
  }
  OrderedJson programs = OrderedJson::array();
  for (const ahead::ProgramReport& p : report.programs) programs.push_back(to_json(p));
  ADDER_CHECK(print(json_line(
      {{"target", target.name}, {"platform", report.platform}, {"programs", std::move(programs)}})));
  return ExitCode::done;
}

}  // namespace

Command declare_compile(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand(
      "compile", "compile a model's programs for a device that is not there, and say what they cost");
  const auto o = std::make_shared<CompileOptions>();
  app.add_option("-m,--model,model", o->model, "checkpoint, or its config.json alone: weights are not read")
      ->required()
      ->type_name("MODEL");
  app.add_option("--target", o->target, "the device: h100, v6e, ..., or a file that describes it")
      ->required()
      ->type_name("NAME|FILE");
  app.add_option("--plugin", o->plugin, "the target's PJRT plugin (default: found by the target's platform)")
      ->type_name("NAME|PATH");
  add_dtype_option(app, o->dtype);
  add_precision_option(app, o->precision);
  app.add_option("--parallel", o->batch, "sequences in one batch")
      ->check(CLI::Range(1, 1 << 16))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--only", o->only, "only programs whose name contains this")->type_name("TEXT");
  app.add_option(
         "-o,--output", o->output,
         "keep the executables there: with ADDER_CACHE=DIR, a machine that has the device and the same "
         "plugin loads them instead of compiling (run it with --no-tune)")
      ->type_name("DIR");
  app.add_option("--dump-hlo", o->dump_hlo, "write every program there as StableHLO text")->type_name("DIR");
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(examples({"adder compile models/austen-3.6m --target h100",
                       "adder compile config.json --target v6e --dtype bf16 --only decode --json"}));
  return {&app, nullptr, [o] { return run(*o); }};
}

}  // namespace adder::cli
