#include "cli/common_options.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "base/files.h"
#include "cli/interrupt.h"
#include "hub/cache.h"
#include "hub/model_id.h"

namespace adder::cli {
namespace {

/// What --dtype may be called, and what it is. float16 is not computed in: see kHalf.
const std::map<std::string, std::string>& dtype_names() {
  static const std::map<std::string, std::string> kNames{
      {"auto", "auto"}, {"f32", "f32"},   {"float32", "f32"},   {"fp32", "f32"},  {"float", "f32"},
      {"bf16", "bf16"}, {"f16", "bf16"},  {"bfloat16", "bf16"}, {"fp16", "bf16"}, {"float16", "bf16"},
      {"half", "bf16"}, {"int8", "int8"}, {"i8", "int8"},       {"s8", "int8"}};
  return kNames;
}

bool is_half(const std::string& name) {
  return name == "f16" || name == "fp16" || name == "float16" || name == "half";
}

std::string check_dtype(const std::string& name) {
  return dtype_names().contains(name) ? "" : in_quotes(name) + " is none of auto, f32, bf16, int8";
}

/// `--device cuda` is how torch and llama.cpp say it.
std::string check_device(const std::string& text) {
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) return "";
  if (!text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0)
    return fmt::format("takes a number; the kind of device is --plugin {}", text.substr(0, text.find(':')));
  return in_quotes(text) + " is not a number from 0 up";
}

// XLA's CPU client sizes its pools by this variable, else by NPROC, else by the CPUs the process may use.
void limit_threads(std::int64_t threads) {
  if (threads > 0) ::setenv("PJRT_NPROC", std::to_string(threads).c_str(), 1);
}

}  // namespace

std::optional<DType> weight_dtype(const std::string& name) {
  const std::string& own = dtype_names().at(name);
  if (own == "auto") return std::nullopt;
  return own == "f32" ? DType::f32 : own == "bf16" ? DType::bf16 : DType::s8;
}

void add_console_options(CLI::App& app, ConsoleOptions& options) {
  app.add_flag("-v,--verbose", options.verbose, "say more on stderr")->group(kOutputGroup);
  app.add_flag("-q,--quiet", options.quiet, "only errors on stderr")->group(kOutputGroup);
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model,model", options.model,
                 "checkpoint folder, weights file (.gguf, or with config.json beside it), or ORG/NAME[@REV] "
                 "of a hub; may also be the first argument, without -m")
      ->required()
      ->type_name("MODEL");
  add_run_options(app, options);
}

void add_dtype_option(CLI::App& app, std::string& dtype) {
  app.add_option(
         "--dtype", dtype,
         "how weights are kept on the device: f32, bf16, int8 (see `adder quantize`), or auto: as they "
         "are stored")
      ->check(check_dtype)
      ->type_name("TYPE")
      ->capture_default_str()
      ->group(kCommonGroup);
}

void add_precision_option(CLI::App& app, std::string& precision) {
  app.add_option("--precision", precision,
                 "highest: full float32 products; default: whatever the device does fastest")
      ->check(CLI::IsMember({"highest", "default"}))
      ->type_name("WHAT")
      ->capture_default_str()
      ->group(kDeviceGroup);
}

hlo::Precision precision_of(const std::string& name) {
  return name == "default" ? hlo::Precision::DEFAULT : hlo::Precision::HIGHEST;
}

void add_run_options(CLI::App& app, ModelOptions& options) {
  app.add_flag("--pull", options.pull,
               "download the model if ORG/NAME is not in the cache; -hf ORG/NAME[:QUANT] says both at once")
      ->group(kCommonGroup);
  add_dtype_option(app, options.dtype);
  app.add_option("--plugin", options.plugin, "PJRT plugin: cpu, cuda, ..., the name of a wheel, or a path")
      ->envname("ADDER_PLUGIN")
      ->type_name("NAME|PATH")
      ->capture_default_str()
      ->group(kCommonGroup);
  app.add_option("--device", options.device, "which of the plugin's devices")
      ->check(check_device)
      ->type_name("N")
      ->capture_default_str()
      ->group(kDeviceGroup);
  app.add_option("-t,--threads", options.threads, "CPU threads that compute (default: all CPUs)")
      ->check(CLI::Range(1, 4096))
      ->type_name("N")
      ->group(kDeviceGroup);
  app.add_flag_callback(
         "--no-preallocate", [&options] { options.preallocate = false; },
         "GPU: take memory as it is needed, not three quarters of the card at the start")
      ->group(kDeviceGroup);
  app.add_flag_callback(
         "--preallocate", [&options] { options.preallocate = true; }, "GPU: take memory at the start")
      ->group(kDeviceGroup);
  app.add_option("--memory-fraction", options.memory_fraction,
                 "GPU: how much of the card's memory may be taken (default: the plugin's 0.75)")
      ->check(CLI::Range(0.01, 1.0))
      ->type_name("F")
      ->group(kDeviceGroup);
  add_precision_option(app, options.precision);
  app.add_option("--policy", options.policy, "for developers: see CONTRIBUTING.md")
      ->envname("ADDER_POLICY")
      ->group("");
  app.add_option("--dump-hlo", options.dump_hlo, "write every program there as StableHLO text")
      ->type_name("DIR")
      ->group(kDeviceGroup);
  app.add_flag("--no-tune", options.no_tune,
               "do not autotune: measure no kernel variants on the first run (see adder devices --tuning)")
      ->envname("ADDER_NO_TUNE")
      ->group(kDeviceGroup);
  app.add_option("--cache-limit", options.cache_limit,
                 "bytes of compiled programs to keep on disk, the last used first; 0: all (default: 4GiB)")
      ->transform(CLI::AsSizeValue(true))
      ->envname("ADDER_CACHE_LIMIT")
      ->type_name("4GiB")
      ->group(kDeviceGroup);
  app.add_flag("--no-cache", options.no_cache, "compile afresh, measure nothing, keep nothing on disk")
      ->group(kDeviceGroup);
}

Fetch fetch_of(const ModelOptions& options) { return options.pull ? Fetch::always : Fetch::ask; }

Result<engine::Engine> open_engine(const ModelOptions& options, const ConsoleOptions& verbosity,
                                   Console& console) {
  engine::EngineOptions out;
  if (!options.dump_hlo.empty()) ADDER_CHECK(check_folder_makeable(options.dump_hlo));
  ADDER_TRY(out.model, find_model(options.model, fetch_of(options), console));
  out.plugin = options.plugin;
  out.device = options.device;
  if (is_half(options.dtype))
    console.log(LogLevel::warn,
                fmt::format("--dtype {}: computed as bf16, which has float32's range", options.dtype));
  out.weight_dtype = weight_dtype(options.dtype);
  limit_threads(options.threads);
  out.precision = precision_of(options.precision);
  out.policy = options.policy;
  out.preallocate = options.preallocate;
  out.memory_fraction = options.memory_fraction;
  out.dump_hlo = options.dump_hlo;
  if (!options.no_cache) out.cache_dir = engine::default_cache_dir();
  out.tune = !options.no_tune || options.retune;
  out.tune_rows = options.tune_rows;
  out.retune = options.retune;
  out.cancelled = [] { return interrupted().load(); };
  out.cache_limit = options.cache_limit;
  out.verbose_plugin = verbosity.verbose && !verbosity.quiet;
  out.log = &console;
  out.progress = &console.progress();
  out.steps = &console.steps();
  return engine::Engine::open(out);
}

std::string dtype_name(DType dtype) { return dtype == DType::s8 ? "int8" : std::string(name(dtype)); }

std::string dtype_name(const engine::Engine& engine) {
  return dtype_name(engine.programs().model().weight_dtype);
}

std::string dtype_note(const ModelOptions& options, const engine::Engine& engine) {
  return dtype_name(engine) + (options.dtype == "auto" ? " (auto)" : "");
}

}  // namespace adder::cli
