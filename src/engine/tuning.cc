#include "engine/tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/file_lock.h"
#include "engine/build_guard.h"
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

/// x [rows,I] by a matrix [O,I].
struct Product {
  std::int64_t rows = 1;
  Shape weight;

  std::string key() const { return model::product_key(rows, weight); }
  bool operator==(const Product&) const = default;
};

/// Products with `copies` matrices, each waiting for the one before: x, weights..., scales... -> [rows,1].
/// Throws BuildError.
std::string chain_text(const model::Policy& policy, const model::Spelling& spelling, const Product& product,
                       std::int64_t copies) {
  const Shape& weight = product.weight;
  Module module("tune");
  Function& f = module.main();
  Value x = f.argument({DType::f32, {product.rows, weight.dims[1]}});
  std::vector<model::Matrix<Value>> matrices(static_cast<std::size_t>(copies));
  for (auto& m : matrices) m.weight = f.argument(weight);
  if (weight.dtype == DType::s8) {
    Value scale = f.argument({DType::f32, {weight.dims[0]}});
    for (auto& m : matrices) m.scale = scale;
  }
  Value last = zeros(f, {DType::f32, {product.rows, 1}});
  for (const auto& m : matrices)
    last = max_over(model::spelled_product(policy, spelling, x + last * 0.0, m), 1, true);
  f.finish({{"out", last}});
  return module.text();
}

/// A loop of steps that multiplies x, x', x, ... by one matrix: x, weight, scale -> [1,O]. Throws BuildError.
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

/// What all measurements of one call share.
struct Tuner {
  const pjrt::Client& client;
  const pjrt::Device& device;
  const model::Policy& policy;
  const pjrt::CompileOptions& compile;
  const TuningOptions& options;

  Status check() const {
    if (!options.cancelled()) return {};
    return fail(ErrorCode::cancelled, "stopped while autotuning");
  }
};

/// Counts from any thread.
class Counter {
 public:
  Counter(Steps& steps, std::size_t total, std::string_view label) : scope_(steps, total, label) {}
  void done() {
    const std::lock_guard lock(mutex_);
    scope_.advance();
  }

 private:
  std::mutex mutex_;  // guards scope_
  StepsScope scope_;
};

struct Candidate {
  model::Spelling spelling;
  pjrt::Executable program;
  VariantTimes times;

  double best() const { return *std::min_element(times.seconds.begin(), times.seconds.end()); }
};

std::vector<model::Spelling> variants_of(const Product& product) {
  std::vector<model::Spelling> out;
  for (const model::Spelling& s : model::spellings(product.weight.dtype))
    if (s.applies(product.rows, product.weight)) out.push_back(s);
  return out;
}

/// nullopt for one that is left out: it does not compile, or needs the weights twice.
std::optional<Candidate> compile_candidate(const Tuner& t, const model::Spelling& s, const Product& product,
                                           std::int64_t copies) {
  if (s.terms != 0) {
    const Result<bool> expands = expands_weights(t.client, t.policy, s, product.weight, t.compile);
    if (!expands || *expands) return std::nullopt;  // or it cannot be told
  }
  auto compiled = [&]() -> Result<pjrt::Executable> {
    ADDER_TRY(const std::string text,
              guard_build("a product to be timed", [&] { return chain_text(t.policy, s, product, copies); }));
    return t.client.compile(text, t.compile);
  }();
  if (compiled) return Candidate{s, *std::move(compiled), {std::string(s.name), {}}};
  log(*t.options.log, LogLevel::info, "autotuning: kernel variant {} of {} is left out: {}", s.name,
      product.key(), compiled.error().message);
  return std::nullopt;
}

/// All that compile, as many at a time as there are threads.
std::vector<Candidate> compile_candidates(const Tuner& t, const Product& product, std::int64_t copies,
                                          Counter& steps) {
  const std::vector<model::Spelling> variants = variants_of(product);
  std::vector<std::optional<Candidate>> made(variants.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < variants.size() && !t.options.cancelled(); i = next++) {
      made[i] = compile_candidate(t, variants[i], product, copies);
      steps.done();
    }
  };
  std::vector<std::future<void>> workers;
  for (unsigned i = 1; i < std::min<std::size_t>(std::thread::hardware_concurrency(), variants.size()); ++i)
    workers.push_back(std::async(std::launch::async, work));
  work();
  for (std::future<void>& worker : workers) worker.get();
  std::vector<Candidate> out;
  for (std::optional<Candidate>& c : made)
    if (c) out.push_back(*std::move(c));
  return out;
}

/// x, weights and scales for chain_text, in memory as load_weights takes it. What they hold does not change
/// the time.
Result<std::vector<pjrt::Buffer>> make_arguments(const pjrt::Client& client, const pjrt::Device& device,
                                                 const Product& product, std::int64_t copies) {
  const Shape& weight = product.weight;
  const Shape row{DType::f32, {product.rows, weight.dims[1]}}, scales{DType::f32, {weight.dims[0]}};
  HostArena arena(static_cast<std::size_t>(row.bytes() + scales.bytes() + copies * weight.bytes()),
                  static_cast<std::size_t>(copies) + 2);
  std::vector<pjrt::Buffer> out;
  const auto upload = [&](const Shape& shape) -> Status {
    const auto size = static_cast<std::size_t>(shape.bytes());
    const std::shared_ptr<std::byte> host = arena.allocate(size);
    if (!host) return fail(ErrorCode::resource_exhausted, "no memory to measure " + product.key());
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

/// Runs all in turn, so that a machine that drifts is fair to each; those that fail or are far behind are
/// dropped. Error: cancelled.
Status measure(const Tuner& t, std::vector<Candidate>& candidates,
               const std::vector<const pjrt::Buffer*>& arguments, Counter& steps) {
  Status stopped;
  const auto run = [&](Candidate& c) -> std::optional<double> {
    if (stopped) stopped = t.check();
    if (!stopped) return std::nullopt;
    const Result<double> seconds = time_once(c.program, arguments);
    if (seconds) return *seconds;
    log(*t.options.log, LogLevel::info, "autotuning: kernel variant {} does not run: {}", c.spelling.name,
        seconds.error().message);
    return std::nullopt;
  };
  std::erase_if(candidates, [&](Candidate& c) { return !run(c); });  // warms up
  for (int round = 0; round < kRounds && stopped; ++round) {
    double best = std::numeric_limits<double>::infinity();
    std::erase_if(candidates, [&](Candidate& c) {
      const auto seconds = run(c);
      if (!seconds) return true;
      c.times.seconds.push_back(*seconds);
      best = std::min(best, c.best());
      return false;
    });
    std::erase_if(candidates, [&](const Candidate& c) { return c.best() > kHopeless * best; });
    steps.done();
  }
  return stopped;
}

/// Times every variant of one product. `chosen` may serve this run alone: see `unsteady`. Errors: cancelled;
/// any other means that it could not be measured.
Result<TunedProduct> tune_product(const Tuner& t, const Product& product, Counter& steps) {
  const std::int64_t copies = std::clamp<std::int64_t>(kWorkingSet / product.weight.bytes(), 1, kMostCopies);
  std::vector<Candidate> candidates = compile_candidates(t, product, copies, steps);
  ADDER_CHECK(t.check());
  ADDER_TRY(const auto buffers, make_arguments(t.client, t.device, product, copies));
  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : buffers) arguments.push_back(&b);
  ADDER_CHECK(measure(t, candidates, arguments, steps));
  if (candidates.empty()) return fail(ErrorCode::internal, "no kernel variant runs");

  TunedProduct out{.context = {},
                   .device = t.client.description(),
                   .product = product.key(),
                   .chosen = {},
                   .microseconds = {}};
  std::vector<VariantTimes> times;
  for (const Candidate& c : candidates) {
    times.push_back(c.times);
    out.microseconds[c.times.name] = 1e6 * c.times.typical() / static_cast<double>(copies);
  }
  const TuningVerdict verdict =
      decide(times, t.policy.spelling_of(product.rows, product.weight).name, t.options.most_spread);
  out.chosen = verdict.chosen;
  out.unsteady = verdict.steady ? 0 : 1;
  return out;
}

/// Whether a matrix is only looked up: the embedding of a model with a head of its own.
bool is_looked_up(const ModelSpec& model, const arch::Parameter& p) {
  return p.layer < 0 && p.local == "embedding.weight" && !model.config->tie_embeddings;
}

/// The matrices that a decode step multiplies by, layer by layer.
std::vector<Shape> matrices_of_step(const ModelSpec& model) {
  std::vector<Shape> out;
  for (const arch::Parameter& p : model.parameters)
    if (model.tensors[p.field].matrix && !p.scales && !is_looked_up(model, p)) out.push_back(p.shape);
  return out;
}

/// The products that are worth measuring, each once.
std::vector<Product> products_of(const ModelSpec& model, const std::vector<std::int64_t>& rows) {
  std::vector<Product> out;
  for (const std::int64_t n : rows)
    for (const Shape& weight : matrices_of_step(model)) {
      const Product product{n, weight};
      const bool fits =
          weight.bytes() >= kSmallest && weight.bytes() <= kLargest && n >= 1 && n <= kMostTunedRows;
      if (fits && std::find(out.begin(), out.end(), product) == out.end()) out.push_back(product);
    }
  return out;
}

/// Bytes of all the matrices that a step reads.
std::int64_t bytes_of_step(const ModelSpec& model) {
  std::int64_t n = 0;
  for (const Shape& shape : matrices_of_step(model)) n += shape.bytes();
  return n;
}

/// All that an answer depends on but the product. A plugin counts by its content: the same one at another
/// place, or touched, is the same.
std::string context_of(const pjrt::Client& client, const pjrt::Device& device, const ModelSpec& model,
                       const pjrt::CompileOptions& compile) {
  std::string settings = fmt::format("device {}, precision {}, int8 activations {}", device.id(),
                                     static_cast<int>(model.policy.precision), model.policy.int8_activations);
  for (const model::Spelling& s : model::spellings(model.weight_dtype))
    settings += fmt::format(", {}", s.name);  // a new one is measured, and the others with it
  return fmt::format("{:016x}", pjrt::make_cache_key(client, settings, compile).hash());
}

/// One call of tune().
class TuningRun {
 public:
  TuningRun(const Tuner& tuner, std::string context, std::vector<Product> products)
      : t_(tuner),
        context_(std::move(context)),
        products_(std::move(products)),
        file_(tuner.options.folder) {}

  Status run() {
    std::vector<Product> missing = unanswered();
    if (missing.empty()) return {};
    std::optional<FileLock> lock;
    ADDER_TRY(const bool my_turn, wait_for_turn(lock));
    if (!my_turn) return {};
    file_ = TuningFile(t_.options.folder);
    missing = unanswered();  // another process may have answered meanwhile
    for (std::size_t i = 0; i < missing.size(); ++i)
      ADDER_CHECK(answer(missing[i], fmt::format("autotuning {} ({} of {}), once for this machine",
                                                 missing[i].key(), i + 1, missing.size())));
    if (unsteady_ > 0)
      log(*t_.options.log, LogLevel::warn,
          "autotuning: the machine has other work to do, and times disagree ({} of {} products): what was "
          "chosen serves this run and is not remembered",
          unsteady_, missing.size());
    return {};
  }
  model::SpellingChoice choice() { return std::move(choice_); }

 private:
  /// Takes what is remembered; the products that are not.
  std::vector<Product> unanswered() {
    if (t_.options.again) return products_;
    std::vector<Product> out;
    for (const Product& product : products_) {
      const TunedProduct* known = file_.find(context_, product.key());
      if (known && known->chosen.empty() && known->unsteady >= TuningOptions::kMostUnsteady) continue;
      if (!known || !take(product, known->chosen)) out.push_back(product);
    }
    return out;
  }

  bool take(const Product& product, const std::string& chosen) {
    const auto spelling = model::find_spelling(product.weight.dtype, chosen);
    if (!spelling || !spelling->applies(product.rows, product.weight)) return false;
    choice_[product.key()] = *spelling;
    return true;
  }

  /// False: others took too long. True without a lock: none can be had, which is no reason not to measure.
  Result<bool> wait_for_turn(std::optional<FileLock>& lock) {
    std::error_code ignored;  // then locking says what is wrong
    std::filesystem::create_directories(t_.options.folder, ignored);
    const auto deadline = std::chrono::steady_clock::now() + t_.options.patience;
    std::optional<StepsScope> waiting;
    while (true) {
      auto held = FileLock::try_acquire(tuning_lock(t_.options.folder));
      if (!held) log(*t_.options.log, LogLevel::info, "autotuning without a lock: {}", held.error().message);
      if (!held || *held) {
        if (held) lock.emplace(**std::move(held));
        return true;
      }
      if (!waiting) waiting.emplace(*t_.options.steps, 0, "waiting for another adder, which is autotuning");
      if (std::chrono::steady_clock::now() > deadline) break;
      ADDER_CHECK(t_.check());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    log(*t_.options.log, LogLevel::warn,
        "another adder has been autotuning for {} s: this run goes on with the defaults",
        t_.options.patience.count());
    return false;
  }

  /// Measures one product, takes the choice and remembers it. Error: cancelled.
  Status answer(const Product& product, const std::string& label) {
    log(*t_.options.log, LogLevel::info, "{}", label);
    Counter steps(*t_.options.steps, variants_of(product).size() + kRounds, label);
    Result<TunedProduct> measured = tune_product(t_, product, steps);
    if (!measured && measured.error().code == ErrorCode::cancelled) return fail(std::move(measured).error());
    if (!measured) {
      log(*t_.options.log, LogLevel::info, "autotuning: {} cannot be measured: {}", product.key(),
          measured.error().message);
      return {};
    }
    take(product, measured->chosen);
    measured->context = context_;
    if (measured->unsteady > 0) {
      ++unsteady_;
      const TunedProduct* before = file_.find(context_, measured->product);
      if (before && !before->chosen.empty()) return {};  // measured when it was quiet: keep that
      measured->unsteady += before ? before->unsteady : 0;
      measured->chosen.clear();
    }
    file_.put(*std::move(measured));
    if (Status saved = file_.save(); !saved && !std::exchange(warned_, true))
      log(*t_.options.log, LogLevel::warn, "autotuning is not remembered: {}", saved.error().message);
    return {};
  }

  const Tuner& t_;
  std::string context_;
  std::vector<Product> products_;
  TuningFile file_;
  model::SpellingChoice choice_;
  std::size_t unsteady_ = 0;
  bool warned_ = false;
};

}  // namespace

double VariantTimes::typical() const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 4];
}

double VariantTimes::spread() const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  return sorted[3 * sorted.size() / 4] / sorted[sorted.size() / 4];
}

TuningVerdict decide(const std::vector<VariantTimes>& times, std::string_view own, double most_spread) {
  const auto by_time = [](const VariantTimes& a, const VariantTimes& b) { return a.typical() < b.typical(); };
  const VariantTimes* best = &*std::min_element(times.begin(), times.end(), by_time);
  bool steady = best->spread() <= most_spread;
  for (const VariantTimes& v : times) {
    if (v.name != own) continue;
    steady = steady && v.spread() <= most_spread;
    if (best->typical() > kWorthwhile * v.typical()) best = &v;
  }
  return {.chosen = best->name, .steady = steady};
}

Result<bool> expands_weights(const pjrt::Client& client, const model::Policy& policy,
                             const model::Spelling& spelling, const Shape& weight,
                             const pjrt::CompileOptions& options) {
  ADDER_TRY(const std::string text,
            guard_build("a loop of products", [&] { return loop_text(policy, spelling, weight); }));
  ADDER_TRY(const pjrt::Executable program, client.compile(text, options));
  ADDER_TRY(const pjrt::CompiledMemoryStats memory, program.memory_stats());
  return memory.temporaries >= weight.bytes();
}

Result<Tuning> tune(const pjrt::Client& client, const pjrt::Device& device, const ModelSpec& model,
                    const pjrt::CompileOptions& compile, const TuningOptions& options) {
  if (bytes_of_step(model) < options.least_bytes) return Tuning();
  const auto start = std::chrono::steady_clock::now();
  const Tuner tuner{client, device, model.policy, compile, options};
  TuningRun run(tuner, context_of(client, device, model, compile), products_of(model, options.rows));
  ADDER_CHECK(run.run());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return Tuning{.choice = run.choice(), .ms = took.count()};
}

}  // namespace adder::engine
