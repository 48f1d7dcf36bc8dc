#include "cli/common_options.h"

#include "hub/cache.h"
#include "hub/model_id.h"

namespace adder::cli {

void add_console_options(CLI::App& app, ConsoleOptions& options) {
  app.add_flag("-v,--verbose", options.verbose, "say more on stderr");
  app.add_flag("-q,--quiet", options.quiet, "only errors on stderr");
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model", options.model,
                 "checkpoint directory, weights file (.gguf, or with config.json beside it), or "
                 "ORG/NAME[@REV] as pulled")
      ->required()
      ->type_name("DIR|FILE|ORG/NAME");
  add_run_options(app, options);
}

void add_run_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--plugin", options.plugin, "PJRT plugin: cpu, cuda, ..., the name of a wheel, or a path")
      ->envname("ADDER_PLUGIN")
      ->type_name("NAME|PATH")
      ->capture_default_str();
  app.add_option("--device", options.device, "which of the plugin's devices")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  add_number_options(app, options.dtype, options.precision);
  app.add_option("--dump-hlo", options.dump_hlo, "write every program there as StableHLO text")
      ->type_name("DIR");
  app.add_flag("--no-tune", options.no_tune,
               "do not measure how this device is best asked for a product (see adder devices --tuning)")
      ->envname("ADDER_NO_TUNE");
  app.add_flag("--no-cache", options.no_cache, "compile afresh, measure nothing, keep nothing on disk");
}

void add_number_options(CLI::App& app, std::string& dtype, std::string& precision) {
  app.add_option("--dtype", dtype,
                 "how weights are kept on the device: f32, bf16 or int8 (see `adder quantize`)")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}))
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--precision", precision,
                 "highest: full float32 products; default: whatever the device does fastest")
      ->check(CLI::IsMember({"highest", "default"}))
      ->type_name("WHAT")
      ->capture_default_str();
}

DType weight_dtype(const std::string& dtype) {
  return dtype == "bf16" ? DType::bf16 : dtype == "int8" ? DType::s8 : DType::f32;
}

hlo::Precision precision(const std::string& name) {
  return name == "default" ? hlo::Precision::DEFAULT : hlo::Precision::HIGHEST;
}

Result<std::filesystem::path> find_model(const std::filesystem::path& model) {
  std::error_code ignored;
  if (std::filesystem::exists(model, ignored) || !hub::looks_like_model_id(model.string())) return model;
  return hub::locate(model.string(), hub::Environment::system());
}

Result<engine::Engine> open_engine(const ModelOptions& options, const ConsoleOptions& verbosity,
                                   Console& console) {
  engine::EngineOptions out;
  ADDER_TRY(out.model, find_model(options.model));
  out.plugin = options.plugin;
  out.device = options.device;
  out.weight_dtype = weight_dtype(options.dtype);
  out.precision = precision(options.precision);
  out.dump_hlo = options.dump_hlo;
  if (!options.no_cache) out.cache_dir = engine::default_cache_dir();
  out.tune = !options.no_tune;
  out.verbose_plugin = verbosity.verbose && !verbosity.quiet;
  out.log = &console;
  out.progress = &console.progress();
  return engine::Engine::open(out);
}

}  // namespace adder::cli
