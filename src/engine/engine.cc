#include "engine/engine.h"

#include <fmt/format.h>

#include <cstdlib>

#include "engine/platform.h"
#include "engine/tuning.h"
#include "pjrt/plugin_search.h"

namespace adder::engine {

namespace {

Result<pjrt::Client> open_client(const EngineOptions& options) {
  ADDER_TRY(const pjrt::PluginCandidate found,
            pjrt::find_plugin(options.plugin, pjrt::SearchEnvironment::system()));
  ADDER_TRY(const pjrt::Plugin plugin,
            pjrt::Plugin::open(found.path, {.verbose = options.verbose_plugin, .environment = {}}));
  return create_client(plugin, found.platform);
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
  if (const auto own = variable("ADDER_CACHE"); !own.empty()) return own / "executables";
  if (const auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "adder" / "executables";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".cache" / "adder" / "executables";
  return {};
}

Engine::Engine(checkpoint::Checkpoint checkpoint, pjrt::Client client, pjrt::Device device,
               std::unique_ptr<Programs> programs, Progress* progress)
    : checkpoint_(std::move(checkpoint)),
      client_(std::move(client)),
      device_(std::move(device)),
      programs_(std::move(programs)),
      progress_(progress) {}

Result<Engine> Engine::open(const EngineOptions& options) {
  ADDER_TRY(checkpoint::Checkpoint checkpoint, checkpoint::Checkpoint::open(options.model, *options.log));
  ADDER_TRY(pjrt::Client client, open_client(options));
  ADDER_TRY(pjrt::Device device, pick_device(client, options.device));
  const PlatformPolicy& platform = platform_policy(client.platform_name());
  ModelSpec spec{.config = model_config(checkpoint.config()),
                 .policy = {.precision = options.precision,
                            .int8_activations = platform.int8_activations,
                            .spelling = {},
                            .otherwise = {}},
                 .weight_dtype = options.weight_dtype};
  for (const auto& [dtype, name] : platform.spelling)
    if (const auto found = model::find_spelling(dtype, name)) spec.policy.otherwise[dtype] = *found;
  ProgramsOptions programs{.dump_hlo = options.dump_hlo,
                           .cache = {},
                           .compile = compile_options(client, device),
                           .log = options.log};
  if (options.tune && !options.cache_dir.empty()) {
    ADDER_TRY(spec.policy.spelling,
              tune(client, device, spec, programs.compile, options.cache_dir, *options.log));
  }
  if (!options.cache_dir.empty()) {
    if (auto cache = pjrt::ExecutableCache::open(options.cache_dir, options.cache_limit)) {
      programs.cache = *std::move(cache);
    } else {
      log(*options.log, LogLevel::warn, "no executable cache: {}", cache.error().message);
    }
  }
  auto made = std::make_unique<Programs>(client, std::move(spec), std::move(programs));
  return Engine(std::move(checkpoint), std::move(client), std::move(device), std::move(made),
                options.progress);
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
  model::visit([&](const std::string&, const pjrt::Buffer& b) { n += b.shape().bytes(); }, weights_);
  return n;
}

}  // namespace adder::engine
