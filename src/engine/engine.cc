#include "engine/engine.h"

#include <fmt/format.h>

#include <cstdlib>

#include "checkpoint/auto_dtype.h"
#include "engine/platform.h"
#include "engine/tuning.h"
#include "pjrt/plugin_search.h"

namespace adder::engine {

namespace {

Result<pjrt::Client> open_client(const EngineOptions& options) {
  ADDER_TRY(const pjrt::PluginCandidate found,
            pjrt::find_plugin(options.plugin, pjrt::SearchEnvironment::system(), *options.log));
  ADDER_TRY(const pjrt::Plugin plugin,
            pjrt::Plugin::open(found.path, {.verbose = options.verbose_plugin, .environment = {}}));
  std::vector<pjrt::NamedValue> memory;
  if (options.preallocate) memory.push_back({"preallocate", *options.preallocate});
  if (options.memory_fraction) memory.push_back({"memory_fraction", *options.memory_fraction});
  if (!memory.empty() && !platform_policy(found.platform).has_memory_options) {
    log(*options.log, LogLevel::warn,
        "{}: this platform has no options of memory, so how much is taken, and when, is up to the plugin",
        found.platform.empty() ? found.name : found.platform);
    memory.clear();
  }
  return create_client(plugin, found.platform, memory);
}

Result<model::Policy> choose_policy(const pjrt::Client& client, const EngineOptions& options) {
  model::Policy policy = platform_policy(client.platform_name()).model;
  policy.precision = options.precision;
  return changed_policy(std::move(policy), options.policy);
}

Result<pjrt::Device> pick_device(const pjrt::Client& client, int index) {
  const std::vector<pjrt::Device> devices = client.devices();
  if (index < 0 || static_cast<std::size_t>(index) >= devices.size())
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("device {} does not exist: {} has {}", index, client.platform_name(), devices.size()),
        "see `adder devices`");
  return devices[static_cast<std::size_t>(index)];
}

}  // namespace

std::filesystem::path default_cache_dir() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const auto own = variable("ADDER_CACHE"); !own.empty()) return own / kExecutablesFolder;
  if (const auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "adder" / kExecutablesFolder;
  if (const auto home = variable("HOME"); !home.empty())
    return home / ".cache" / "adder" / kExecutablesFolder;
  return {};
}

Result<ModelSpec> model_spec(arch::ConfigRef config, std::string_view platform, DType weight_dtype,
                             hlo::Precision precision) {
  model::Policy policy = platform_policy(platform).model;
  policy.precision = precision;
  return model::make_spec(std::move(config), std::move(policy), weight_dtype);
}

Engine::Engine(checkpoint::Checkpoint checkpoint, pjrt::Client client, pjrt::Device device,
               std::unique_ptr<Programs> programs, const EngineOptions& options, double tune_ms)
    : checkpoint_(std::move(checkpoint)),
      client_(std::move(client)),
      device_(std::move(device)),
      programs_(std::move(programs)),
      progress_(options.progress),
      steps_(options.steps),
      tune_ms_(tune_ms) {}

Result<Engine> Engine::open(const EngineOptions& options) {
  ADDER_TRY(checkpoint::Checkpoint checkpoint, checkpoint::Checkpoint::open(options.model, *options.log));
  ADDER_TRY(pjrt::Client client, open_client(options));
  ADDER_TRY(pjrt::Device device, pick_device(client, options.device));
  ADDER_TRY(model::Policy policy, choose_policy(client, options));
  const DType dtype = options.weight_dtype ? *options.weight_dtype : checkpoint::stored_dtype(checkpoint);
  ADDER_TRY(ModelSpec spec, model::make_spec(checkpoint.config_ref(), std::move(policy), dtype));
  ProgramsOptions programs{.dump_hlo = options.dump_hlo,
                           .cache = {},
                           .compile = compile_options(client, device),
                           .log = options.log};
  double tune_ms = 0;
  if (options.tune && !options.cache_dir.empty()) {
    TuningOptions how{.folder = options.cache_dir,
                      .again = options.retune,
                      .rows = options.tune_rows,
                      .cancelled = options.cancelled,
                      .log = options.log,
                      .steps = options.steps};
    if (options.retune) how.least_bytes = 0;
    ADDER_TRY(Tuning tuning, tune(client, device, spec, programs.compile, how));
    spec.policy.spelling = std::move(tuning.choice);
    tune_ms = tuning.ms;
  }
  if (!options.cache_dir.empty()) {
    if (auto cache = pjrt::ExecutableCache::open(options.cache_dir, options.cache_limit)) {
      programs.cache = *std::move(cache);
    } else {
      log(*options.log, LogLevel::warn, "no executable cache: {}", cache.error().message);
    }
  }
  auto made = std::make_unique<Programs>(client, std::move(spec), std::move(programs));
  return Engine(std::move(checkpoint), std::move(client), std::move(device), std::move(made), options,
                tune_ms);
}

Status Engine::load() {
  ADDER_TRY(weights_, load_weights(checkpoint_, programs_->model(), client_, device_, *progress_));
  return checkpoint_.check_unchanged();
}

Status Engine::check_unchanged() const {
  return checkpoint_.store().source().is_shared() ? checkpoint_.check_unchanged() : Status();
}

std::int64_t Engine::weight_bytes() const {
  std::int64_t n = 0;
  for (const pjrt::Buffer& b : weights_) n += b.shape().bytes();
  return n;
}

}  // namespace adder::engine
