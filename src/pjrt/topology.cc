#include "pjrt/topology.h"

#include <fmt/format.h>

#include <utility>

#include "pjrt/api.h"
#include "pjrt/executable_queries.h"

namespace adder::pjrt {

struct Topology::State {
  State(Plugin p, PJRT_TopologyDescription* t) : plugin(std::move(p)), api(plugin.api()), raw(t) {}
  ~State() {
    call_quietly(api, ADDER_PJRT(PJRT_TopologyDescription_Destroy), [&](auto& a) { a.topology = raw; });
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Plugin plugin;
  const PJRT_Api* api;
  PJRT_TopologyDescription* raw;
  std::string platform_name;
  std::vector<std::string> device_kinds;
};

namespace {

/// A plugin that has the entry but only ever refuses says so as UNIMPLEMENTED.
Error cannot_compile_ahead(const Plugin& plugin, Error error) {
  if (error.code != ErrorCode::unsupported) return error;
  return {ErrorCode::unsupported,
          fmt::format("plugin {}: cannot compile for a device that is not there: {}", plugin.path().string(),
                      error.message),
          "CUDA's and TPU's plugins can; CPU's compile on the machine itself"};
}

}  // namespace

Result<Topology> Topology::create(const Plugin& plugin, std::string_view name,
                                  std::span<const NamedValue> options) {
  const std::vector<PJRT_NamedValue> c_options = named_values_to_c(options);
  auto created = call(plugin.api(), ADDER_PJRT(PJRT_TopologyDescription_Create), [&](auto& a) {
    a.topology_name = name.data();
    a.topology_name_size = name.size();
    a.create_options = c_options.data();
    a.num_options = c_options.size();
  });
  if (!created) return fail(cannot_compile_ahead(plugin, std::move(created).error()));

  auto state = std::make_shared<State>(plugin, created->topology);
  const auto fill = [&](auto& a) { a.topology = state->raw; };
  ADDER_TRY(const auto platform, call(state->api, ADDER_PJRT(PJRT_TopologyDescription_PlatformName), fill));
  state->platform_name.assign(platform.platform_name, platform.platform_name_size);
  // The rest is only information.
  if (auto devices = call(state->api, ADDER_PJRT(PJRT_TopologyDescription_GetDeviceDescriptions), fill))
    for (std::size_t i = 0; i < devices->num_descriptions; ++i)
      if (auto kind = call(state->api, ADDER_PJRT(PJRT_DeviceDescription_Kind),
                           [&](auto& a) { a.device_description = devices->descriptions[i]; }))
        state->device_kinds.emplace_back(kind->device_kind, kind->device_kind_size);
  return Topology(std::move(state));
}

const Plugin& Topology::plugin() const { return state_->plugin; }
const std::string& Topology::platform_name() const { return state_->platform_name; }
const std::vector<std::string>& Topology::device_kinds() const { return state_->device_kinds; }

Result<UnloadedExecutable> Topology::compile(std::string_view program, const CompileOptions& options) const {
  const std::string encoded = options.encode();
  const ProgramArgument argument(program);
  auto compiled = call(state_->api, ADDER_PJRT(PJRT_Compile), [&](auto& a) {
    a.topology = state_->raw;
    a.program = argument.get();
    a.compile_options = encoded.data();
    a.compile_options_size = encoded.size();
  });
  if (!compiled) return fail(cannot_compile_ahead(plugin(), std::move(compiled).error()));
  return UnloadedExecutable(state_, compiled->executable);
}

UnloadedExecutable::UnloadedExecutable(std::shared_ptr<const Topology::State> topology, PJRT_Executable* raw)
    : topology_(std::move(topology)), raw_(raw) {}
UnloadedExecutable::~UnloadedExecutable() { reset(); }
UnloadedExecutable::UnloadedExecutable(UnloadedExecutable&& other) noexcept { *this = std::move(other); }
UnloadedExecutable& UnloadedExecutable::operator=(UnloadedExecutable&& other) noexcept {
  if (this == &other) return *this;
  reset();
  topology_ = std::move(other.topology_);
  raw_ = std::exchange(other.raw_, nullptr);
  return *this;
}

void UnloadedExecutable::reset() {
  if (raw_ != nullptr)
    call_quietly(topology_->api, ADDER_PJRT(PJRT_Executable_Destroy), [&](auto& a) { a.executable = raw_; });
  raw_ = nullptr;
}

Result<CompiledMemoryStats> UnloadedExecutable::memory_stats() const {
  return memory_stats_of(topology_->api, raw_);
}
Result<std::vector<NamedValue>> UnloadedExecutable::cost_analysis() const {
  return cost_analysis_of(topology_->api, raw_);
}
Result<OptimizedProgram> UnloadedExecutable::optimized_program() const {
  return optimized_program_of(topology_->api, raw_);
}
Result<std::string> UnloadedExecutable::serialize() const { return pjrt::serialize(topology_->api, raw_); }

}  // namespace adder::pjrt
