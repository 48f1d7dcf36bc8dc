#include "engine/tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <limits>

#include "engine/host_arena.h"
#include "hlo/arith.h"
#include "pjrt/executable_cache.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr std::int64_t kSmallest = 256 << 10, kLargest = 256 << 20;  // bytes of weights
constexpr std::int64_t kWorkingSet = 64 << 20;  // beyond the caches of the machines this was made on
constexpr std::int64_t kMostCopies = 24;
constexpr int kRounds = 12;
constexpr double kHopeless = 2.5, kWorthwhile = 0.97;  // relative to the best, to the policy's own

/// Products with `copies` matrices, each waiting for the one before: x, weights..., scales... -> [1,1].
std::string chain_text(const model::Policy& policy, const model::Spelling& spelling, const Shape& weight,
                       std::int64_t copies) {
  Module module("tune");
  Function& f = module.main();
  Value x = f.argument({DType::f32, {1, weight.dims[1]}});
  std::vector<model::Matrix<Value>> matrices(static_cast<std::size_t>(copies));
  for (auto& m : matrices) m.weight = f.argument(weight);
  if (weight.dtype == DType::s8) {
    Value scale = f.argument({DType::f32, {weight.dims[0]}});
    for (auto& m : matrices) m.scale = scale;
  }
  Value last = zeros(f, {DType::f32, {1, 1}});
  for (const auto& m : matrices)
    last = max_over(model::spelled_product(policy, spelling, x + last * 0.0, m), 1, true);
  f.finish({{"out", last}});
  return module.text();
}

/// A loop of steps that multiplies x, x', x, ... by one matrix: x, weight, scale -> [1,O].
std::string loop_text(const model::Policy& policy, const model::Spelling& spelling, const Shape& weight) {
  constexpr std::int64_t kSteps = 101;  // more than any compiler unrolls
  Module module("steps");
  Function& f = module.main();
  Value x = f.argument({DType::f32, {1, weight.dims[1]}});
  model::Matrix<Value> m{.weight = f.argument(weight), .scale = std::nullopt};
  if (weight.dtype == DType::s8) m.scale = f.argument({DType::f32, {weight.dims[0]}});
  const Values out =
      fori(f, kSteps, {x, zeros(f, {DType::f32, {1, weight.dims[0]}})}, [&](Value, const Values& carried) {
        return Values{negate(carried[0]), model::spelled_product(policy, spelling, carried[0], m)};
      });
  f.finish({{"out", out[1]}});
  return module.text();
}

struct Candidate {
  model::Spelling spelling;
  pjrt::Executable program;
  std::vector<double> seconds;

  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
  /// The lower quartile: what else the machine does only adds time.
  double typical() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 4];
  }
};

Result<std::vector<Candidate>> compile_candidates(const pjrt::Client& client, const model::Policy& policy,
                                                  const pjrt::CompileOptions& options, const Shape& weight,
                                                  std::int64_t copies) {
  std::vector<Candidate> out;
  std::vector<std::future<Result<pjrt::Executable>>> compiling;
  for (const model::Spelling& s : model::spellings(weight.dtype)) {
    if (!s.applies(1, weight)) continue;
    if (s.terms != 0) {
      const Result<bool> expands = expands_weights(client, policy, s, weight, options);
      if (!expands || *expands) continue;  // or it cannot be told
    }
    out.push_back({.spelling = s, .program = {}, .seconds = {}});
    compiling.push_back(std::async(std::launch::async, [&client, &policy, &options, &weight, copies, s] {
      return client.compile(chain_text(policy, s, weight, copies), options);
    }));
  }
  Status status;
  for (std::size_t i = 0; i < out.size(); ++i) {
    Result<pjrt::Executable> program = compiling[i].get();
    if (program)
      out[i].program = *std::move(program);
    else if (status)
      status = fail(std::move(program).error());
  }
  ADDER_CHECK(std::move(status));
  return out;
}

/// x, weights and scales for chain_text, in memory as load_weights takes it. What they hold does not change
/// the time.
Result<std::vector<pjrt::Buffer>> make_arguments(const pjrt::Client& client, const pjrt::Device& device,
                                                 const Shape& weight, std::int64_t copies) {
  const Shape row{DType::f32, {1, weight.dims[1]}}, scales{DType::f32, {weight.dims[0]}};
  HostArena arena(static_cast<std::size_t>(row.bytes() + scales.bytes() + copies * weight.bytes()),
                  static_cast<std::size_t>(copies) + 2);
  std::vector<pjrt::Buffer> out;
  const auto upload = [&](const Shape& shape) -> Status {
    const auto size = static_cast<std::size_t>(shape.bytes());
    const std::shared_ptr<std::byte> host = arena.allocate(size);
    if (!host)
      return fail(ErrorCode::resource_exhausted, "no memory to measure " + model::product_key(1, weight));
    if (shape.dtype == DType::f32) {
      std::fill_n(reinterpret_cast<float*>(host.get()), size / sizeof(float), 1.0F);
    } else {
      std::fill_n(host.get(), size, std::byte{0});
    }
    ADDER_TRY(pjrt::Buffer buffer, client.to_device_zero_copy(host, shape, device));
    out.push_back(std::move(buffer));
    return {};
  };
  ADDER_CHECK(upload(row));
  for (std::int64_t i = 0; i < copies; ++i) ADDER_CHECK(upload(weight));
  if (weight.dtype == DType::s8) ADDER_CHECK(upload(scales));
  return out;
}

Result<double> time_once(const pjrt::Executable& program, const std::vector<const pjrt::Buffer*>& arguments) {
  const auto start = std::chrono::steady_clock::now();
  ADDER_TRY(const auto results, program.execute(arguments));
  ADDER_TRY(const pjrt::Event done, results[0].ready());
  ADDER_CHECK(done.wait());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs all in turn, so that a machine that drifts is fair to each; those far behind are dropped.
Status measure(std::vector<Candidate>& candidates, const std::vector<const pjrt::Buffer*>& arguments) {
  for (const Candidate& c : candidates) ADDER_CHECK(time_once(c.program, arguments));  // warms up
  for (int round = 0; round < kRounds; ++round) {
    double best = std::numeric_limits<double>::infinity();
    for (Candidate& c : candidates) {
      ADDER_TRY(const double seconds, time_once(c.program, arguments));
      c.seconds.push_back(seconds);
      best = std::min(best, c.best());
    }
    std::erase_if(candidates, [&](const Candidate& c) { return c.best() > kHopeless * best; });
  }
  return {};
}

Result<TunedProduct> tune_product(const pjrt::Client& client, const pjrt::Device& device,
                                  const model::Policy& policy, const pjrt::CompileOptions& options,
                                  const Shape& weight) {
  const std::int64_t copies = std::clamp<std::int64_t>(kWorkingSet / weight.bytes(), 1, kMostCopies);
  ADDER_TRY(std::vector<Candidate> candidates, compile_candidates(client, policy, options, weight, copies));
  ADDER_TRY(const auto buffers, make_arguments(client, device, weight, copies));
  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : buffers) arguments.push_back(&b);
  ADDER_CHECK(measure(candidates, arguments));

  TunedProduct out{.context = {},
                   .device = client.description(),
                   .product = model::product_key(1, weight),
                   .chosen = {},
                   .microseconds = {}};
  const std::string_view own = policy.spelling_of(1, weight).name;
  const Candidate* best = &candidates.front();
  for (const Candidate& c : candidates) {
    out.microseconds[std::string(c.spelling.name)] = 1e6 * c.typical() / static_cast<double>(copies);
    if (c.typical() < best->typical()) best = &c;
  }
  for (const Candidate& c : candidates)
    if (c.spelling.name == own && best->typical() > kWorthwhile * c.typical()) best = &c;
  out.chosen = std::string(best->spelling.name);
  return out;
}

/// The matrices of one decode step, each shape once.
std::vector<Shape> product_shapes(const ModelSpec& model) {
  std::vector<Shape> out;
  const auto add = [&](const model::Matrix<Shape>& m) {
    const std::int64_t bytes = m.weight.bytes();
    if (bytes >= kSmallest && bytes <= kLargest && std::find(out.begin(), out.end(), m.weight) == out.end())
      out.push_back(m.weight);
  };
  const auto shapes = model::parameter_shapes(model.config, model.weight_dtype, model.policy);
  add(shapes.layers.front().in_proj);
  if (shapes.layers.front().in_proj_z) add(*shapes.layers.front().in_proj_z);
  add(shapes.layers.front().out_proj);
  add(shapes.lm_head ? *shapes.lm_head : shapes.embedding);
  return out;
}

}  // namespace

Result<bool> expands_weights(const pjrt::Client& client, const model::Policy& policy,
                             const model::Spelling& spelling, const Shape& weight,
                             const pjrt::CompileOptions& options) {
  ADDER_TRY(const pjrt::Executable program, client.compile(loop_text(policy, spelling, weight), options));
  ADDER_TRY(const pjrt::CompiledMemoryStats memory, program.memory_stats());
  return memory.temporaries >= weight.bytes();
}

Result<model::SpellingChoice> tune(const pjrt::Client& client, const pjrt::Device& device,
                                   const ModelSpec& model, const pjrt::CompileOptions& options,
                                   const std::filesystem::path& folder, LogSink& sink) {
  std::string settings = fmt::format("device {}, precision {}, int8 activations {}", device.id(),
                                     static_cast<int>(model.policy.precision), model.policy.int8_activations);
  for (const model::Spelling& s : model::spellings(model.weight_dtype))
    settings += fmt::format(", {}", s.name);  // a new one is measured, and the others with it
  const std::string context = fmt::format("{:016x}", pjrt::make_cache_key(client, settings, options).hash());
  TuningFile file(folder);
  model::SpellingChoice out;
  bool changed = false;
  for (const Shape& weight : product_shapes(model)) {
    const std::string product = model::product_key(1, weight);
    const TunedProduct* known = file.find(context, product);
    if (!known || !model::find_spelling(weight.dtype, known->chosen)) {
      log(sink, LogLevel::info, "{}: measuring its spellings, once for this device", product);
      ADDER_TRY(TunedProduct measured, tune_product(client, device, model.policy, options, weight));
      measured.context = context;
      file.put(std::move(measured));
      known = file.find(context, product);
      changed = true;
    }
    const auto chosen = model::find_spelling(weight.dtype, known->chosen);
    if (chosen && chosen->applies(1, weight)) out[product] = *chosen;
  }
  if (changed)
    if (Status saved = file.save(); !saved)
      log(sink, LogLevel::warn, "the tuning is not remembered: {}", saved.error().message);
  return out;
}

}  // namespace adder::engine
