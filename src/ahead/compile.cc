#include "ahead/compile.h"

#include <fmt/format.h>

#include <chrono>

#include "base/atomic_file.h"
#include "engine/engine.h"
#include "engine/ladder.h"
#include "engine/platform.h"
#include "pjrt/executable_cache.h"

namespace adder::ahead {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool is_copy(const profile::Kernel& k) { return k.opcode == "copy" || k.opcode == "copy-start"; }
/// The end of something whose start is counted.
bool is_end(const profile::Kernel& k) { return k.opcode.ends_with("-done"); }

/// A decode program's loop is what it costs a step; all of any other program is what it costs a run.
struct Counted {
  std::int64_t steps = 1;
  bool loop_only = false;
};

void count_kernels(const std::vector<profile::Kernel>& kernels, const Counted& what, ProgramReport& out) {
  const auto sum = [&](auto&& amount) {
    double total = 0;
    for (const profile::Kernel& k : kernels)
      if ((k.in_loop || !what.loop_only) && !is_end(k))
        total += static_cast<double>(k.times) * static_cast<double>(amount(k));
    return total / static_cast<double>(what.steps);
  };
  out.kernels = sum([](const profile::Kernel& k) { return is_copy(k) ? 0 : 1; });
  out.copies = sum([](const profile::Kernel& k) { return is_copy(k) ? 1 : 0; });
  out.bytes_accessed = sum([](const profile::Kernel& k) { return k.bytes; });
}

std::optional<double> property(const std::vector<pjrt::NamedValue>& values, std::string_view name) {
  for (const pjrt::NamedValue& value : values)
    if (value.name == name)
      if (const auto* number = std::get_if<float>(&value.value)) return static_cast<double>(*number);
  return std::nullopt;
}

/// Decode programs take `tokens` [B,S] out of their loop; others have none among their results.
Counted counted(const hlo::Signature& signature) {
  const int tokens = signature.result_index("tokens");
  if (tokens < 0) return {};
  return {.steps = signature.results[static_cast<std::size_t>(tokens)].shape.dims.back(), .loop_only = true};
}

/// The plugin opened with the target's environment, and the topology.
Result<pjrt::Topology> open_topology(const CompileRequest& request) {
  const Target& target = request.target;
  ADDER_TRY(const pjrt::Plugin plugin,
            pjrt::Plugin::open(request.plugin,
                               {.verbose = request.verbose_plugin, .environment = target.environment}));
  ADDER_TRY(pjrt::Topology topology, pjrt::Topology::create(plugin, target.topology, target.options));
  if (topology.platform_name() != target.platform)
    return fail(ErrorCode::failed_precondition,
                fmt::format("plugin {}: platform {}, but target {} is for {}", request.plugin.string(),
                            topology.platform_name(), target.name, target.platform),
                "name the target's plugin with --plugin");
  return topology;
}

class Compiler {
 public:
  /// `cache` may be null.
  Compiler(const CompileRequest& request, pjrt::Topology topology, const pjrt::ExecutableCache* cache)
      : request_(request), topology_(std::move(topology)), cache_(cache) {
    for (const auto& [name, value] : request.target.flags) options_.side_flags[name] = value;
    options_ = engine::with_known_flags(std::move(options_), request.target.platform,
                                        [&](std::string_view program, const pjrt::CompileOptions& options) {
                                          return topology_.compile(program, options).has_value();
                                        });
  }

  Result<ProgramReport> compile(const engine::Graph& graph,
                                const std::function<void(const CompiledFor&)>& on_program) const {
    ADDER_CHECK(dump(graph));
    const auto start = std::chrono::steady_clock::now();
    auto compiled = topology_.compile(graph.text, options_);
    if (!compiled) {
      Error error = std::move(compiled).error();
      error.message = fmt::format("{}: {}", graph.name, error.message);
      return fail(std::move(error));
    }
    ProgramReport out;
    out.name = graph.name;
    out.compile_s = seconds_since(start);
    const Counted what = counted(graph.signature);
    out.bytes_needed = static_cast<double>(graph.cost.bytes) / static_cast<double>(what.steps);
    out.flops = static_cast<double>(graph.cost.dot_flops + graph.cost.elementwise_flops) /
                static_cast<double>(what.steps);
    if (const auto memory = compiled->memory_stats()) {
      out.argument_bytes = memory->arguments;
      out.aliased_bytes = memory->aliased;
      out.temporary_bytes = memory->temporaries;
    }
    std::vector<profile::Kernel> kernels;
    if (const auto program = compiled->optimized_program()) {
      if (auto found = profile::kernels_of(program->format, program->bytes)) {
        kernels = *std::move(found);
        count_kernels(kernels, what, out);
      }
    }
    if (const auto cost = compiled->cost_analysis())
      if (const auto seconds = property(*cost, "optimal_seconds"); seconds && *seconds > 0)
        out.optimal_s = *seconds / static_cast<double>(what.steps);
    if (cache_) {
      ADDER_TRY(const std::string bytes, compiled->serialize());
      ADDER_CHECK(cache_->store(pjrt::make_cache_key(topology_, graph.text, options_), bytes));
    }
    if (on_program) on_program({graph, *compiled, kernels, out});
    return out;
  }

 private:
  Status dump(const engine::Graph& graph) const {
    if (request_.dump_hlo.empty()) return {};
    std::error_code ignored;
    std::filesystem::create_directories(request_.dump_hlo, ignored);
    return write_atomically(request_.dump_hlo / (graph.name + ".mlir"),
                            [&](AtomicFile& file) { return file.write(std::string_view(graph.text)); });
  }

  const CompileRequest& request_;
  pjrt::Topology topology_;
  const pjrt::ExecutableCache* cache_;
  pjrt::CompileOptions options_;
};

}  // namespace

std::vector<std::function<Result<engine::Graph>(const engine::ModelSpec&)>> programs_of(
    std::string_view platform, std::int64_t batch) {
  std::vector<std::function<Result<engine::Graph>(const engine::ModelSpec&)>> out;
  const std::vector<SamplingOptions> defaults{{}};
  const std::int64_t block = engine::platform_policy(platform).block;
  for (const engine::SamplerSpec& sampler : {engine::SamplerSpec{}, engine::sampler_for(defaults)})
    out.emplace_back([=](const engine::ModelSpec& model) {
      return engine::build_decode(model, {.batch = batch, .steps = block, .sampler = sampler});
    });
  for (const std::int64_t tokens : engine::kLadder)
    out.emplace_back([=](const engine::ModelSpec& model) {
      return engine::build_extend(model, {.batch = batch, .tokens = tokens});
    });
  out.emplace_back([=](const engine::ModelSpec& model) {
    return engine::build_state(model, {.op = engine::StateSpec::Op::zero, .batch = batch});
  });
  return out;
}

Result<CompileReport> compile_for(const CompileRequest& request,
                                  const std::function<void(const CompiledFor&)>& on_program) {
  ADDER_TRY(pjrt::Topology topology, open_topology(request));
  ADDER_TRY(const engine::ModelSpec model, engine::model_spec(request.model, request.target.platform,
                                                              request.weight_dtype, request.precision));
  CompileReport report{.platform = topology.platform_name(), .programs = {}};
  std::optional<pjrt::ExecutableCache> cache;
  if (!request.cache_dir.empty()) {
    ADDER_TRY(cache, pjrt::ExecutableCache::open(request.cache_dir));
  }
  const Compiler compiler(request, std::move(topology), cache ? &*cache : nullptr);
  std::string names;
  for (const auto& build : programs_of(request.target.platform, request.batch)) {
    ADDER_TRY(const engine::Graph graph, build(model));
    names += (names.empty() ? "" : ", ") + graph.name;
    if (graph.name.find(request.only) == std::string::npos) continue;
    ADDER_TRY(report.programs.emplace_back(), compiler.compile(graph, on_program));
  }
  if (report.programs.empty())
    return fail(ErrorCode::not_found, fmt::format("no program's name contains \"{}\"", request.only),
                fmt::format("there are {}", names));
  return report;
}

}  // namespace adder::ahead
