#include "cli/common_options.h"

#include "base/files.h"
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
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--dtype", options.dtype,
                 "how weights are kept on the device: f32, bf16 or int8 (see `adder quantize`)")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}))
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--precision", options.precision,
                 "highest: full float32 products; default: whatever the device does fastest")
      ->check(CLI::IsMember({"highest", "default"}))
      ->type_name("WHAT")
      ->capture_default_str();
  app.add_option("--dump-hlo", options.dump_hlo, "write every program there as StableHLO text")
      ->type_name("DIR");
  app.add_flag("--no-tune", options.no_tune,
               "do not measure how this device is best asked for a product (see adder devices --tuning)")
      ->envname("ADDER_NO_TUNE");
  app.add_option("--cache-limit", options.cache_limit,
                 "bytes of compiled programs to keep on disk, the last used first; 0: all (default: 4GiB)")
      ->transform(CLI::AsSizeValue(true))
      ->envname("ADDER_CACHE_LIMIT")
      ->type_name("4GiB");
  app.add_flag("--no-cache", options.no_cache, "compile afresh, measure nothing, keep nothing on disk");
}

Result<std::filesystem::path> find_model(const std::filesystem::path& model) {
  ADDER_TRY(const std::filesystem::file_type type, type_of(model));
  if (type != std::filesystem::file_type::not_found || !hub::looks_like_model_id(model.string()))
    return model;
  return hub::locate(model.string(), hub::Environment::system());
}

Result<engine::Engine> open_engine(const ModelOptions& options, const ConsoleOptions& verbosity,
                                   Console& console) {
  engine::EngineOptions out;
  if (!options.dump_hlo.empty()) ADDER_CHECK(check_folder_makeable(options.dump_hlo));
  ADDER_TRY(out.model, find_model(options.model));
  out.plugin = options.plugin;
  out.device = options.device;
  out.weight_dtype = options.dtype == "bf16" ? DType::bf16 : options.dtype == "int8" ? DType::s8 : DType::f32;
  out.precision = options.precision == "default" ? hlo::Precision::DEFAULT : hlo::Precision::HIGHEST;
  out.dump_hlo = options.dump_hlo;
  if (!options.no_cache) out.cache_dir = engine::default_cache_dir();
  out.cache_limit = options.cache_limit;
  out.tune = !options.no_tune;
  out.verbose_plugin = verbosity.verbose && !verbosity.quiet;
  out.log = &console;
  out.progress = &console.progress();
  return engine::Engine::open(out);
}

}  // namespace adder::cli
