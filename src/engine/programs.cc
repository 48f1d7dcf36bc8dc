#include "engine/programs.h"

#include <chrono>

#include "base/atomic_file.h"

namespace adder::engine {

namespace {
double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}
}  // namespace

Programs::Programs(pjrt::Client client, ModelSpec model, ProgramsOptions options)
    : client_(std::move(client)), model_(std::move(model)), options_(std::move(options)) {}

Result<ProgramRef> Programs::extend(const ExtendSpec& spec) {
  return get(to_string(spec), [&] { return build_extend(model_, spec); });
}

Result<ProgramRef> Programs::decode(const DecodeSpec& spec) {
  return get(to_string(spec), [&] { return build_decode(model_, spec); });
}

Result<ProgramRef> Programs::state(const StateSpec& spec) {
  return get(to_string(spec), [&] { return build_state(model_, spec); });
}

Result<ProgramRef> Programs::get(const std::string& name, const std::function<Result<Graph>()>& build) {
  std::promise<Result<ProgramRef>> promise;
  std::shared_future<Result<ProgramRef>> future;
  {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = programs_.try_emplace(name, std::shared_future<Result<ProgramRef>>());
    if (!is_new) {
      future = entry->second;
    } else {
      entry->second = promise.get_future().share();
    }
  }
  if (future.valid()) return future.get();
  Result<ProgramRef> program = compile(name, build);
  if (!program) {  // those who wait learn of it; whoever asks next tries again
    const std::lock_guard lock(mutex_);
    programs_.erase(name);
  }
  promise.set_value(program);
  return program;
}

Result<ProgramRef> Programs::compile(const std::string& name, const std::function<Result<Graph>()>& build) {
  const auto start = std::chrono::steady_clock::now();
  ADDER_TRY(Graph graph, build());
  if (!options_.dump_hlo.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(options_.dump_hlo, ignored);
    ADDER_CHECK(write_atomically(options_.dump_hlo / (name + ".mlir"),
                                 [&](AtomicFile& file) { return file.write(std::string_view(graph.text)); }));
  }
  ADDER_TRY(auto compiled, pjrt::compile_cached(client_, graph.text, options_.compile,
                                                options_.cache ? &*options_.cache : nullptr));
  if (compiled.not_stored)
    log(*options_.log, LogLevel::info, "{}: not cached: {}", name, compiled.not_stored->message);
  auto program = std::make_shared<Program>();
  program->name = name;
  program->signature = std::move(graph.signature);
  program->cost = graph.cost;
  program->executable = std::move(compiled.executable);
  program->from_cache = compiled.hit;
  program->compile_ms = milliseconds_since(start);
  log(*options_.log, LogLevel::info, "{}: {} in {:.0f} ms", name,
      program->from_cache ? "loaded from the cache" : "compiled", program->compile_ms);
  return ProgramRef(std::move(program));
}

std::vector<ProgramRef> Programs::ready() const {
  const std::lock_guard lock(mutex_);
  std::vector<ProgramRef> out;
  for (const auto& [name, future] : programs_) {
    if (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
    if (future.get()) out.push_back(*future.get());
  }
  return out;
}

}  // namespace adder::engine
