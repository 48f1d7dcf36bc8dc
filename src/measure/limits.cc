#include "measure/limits.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <future>

#include "engine/build_guard.h"
#include "hlo/arith.h"
#include "hlo/module.h"

namespace adder::measure {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr std::int64_t kSmallRead = 256 << 20, kLargeRead = std::int64_t{4} << 30;
constexpr std::int64_t kColumns = 2048;
constexpr double kShortest = 2e-3;  // seconds: what a sample lasts at least on a device with a queue
constexpr int kMostInARow = 16;

using Body = std::function<Value(const Values&)>;

Result<std::string> text_of(const char* name, const std::vector<Shape>& arguments, const Body& body) {
  return engine::guard_build(name, [&] {
    Module module(name);
    Function& f = module.main();
    Values values;
    for (const Shape& shape : arguments) values.push_back(f.argument(shape));
    f.finish({{"out", body(values)}});
    return module.text();
  });
}

}  // namespace

std::int64_t probe_bytes(const Result<pjrt::DeviceMemoryStats>& memory) {
  if (!memory || !memory->bytes_limit) return kSmallRead;
  const std::int64_t free = *memory->bytes_limit - memory->bytes_in_use;
  std::int64_t bytes = kLargeRead;
  while (bytes > kSmallRead && bytes > free / 8) bytes /= 2;  // results take as much, some at once
  return bytes;
}

/// Fills a probe: arguments are made on the device and shared by the programs that take their shape, which
/// compile at the same time: a GPU's compiler times variants of each product, for seconds.
class LimitsProbe::Maker {
 public:
  Maker(LimitsProbe& out, const pjrt::Client& client, const pjrt::Device& device,
        const LimitsOptions& options)
      : out_(out), client_(client), device_(device), options_(options) {}

  Status add(Kind kind, const char* name, const std::vector<Shape>& arguments, double work,
             const Body& body) {
    Probe probe;
    probe.kind = kind;
    probe.work = work;
    ADDER_TRY(const std::string text, text_of(name, arguments, body));
    compiling_.push_back(std::async(std::launch::async | std::launch::deferred,
                                    [this, text] { return client_.compile(text, options_.compile); }));
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      ADDER_TRY(const std::size_t at, buffer(arguments[i], i));
      probe.arguments.push_back(at);
    }
    out_.probes_.push_back(std::move(probe));
    return {};
  }

  /// The programs of all that was added.
  Status finish() {
    for (std::size_t i = 0; i < compiling_.size(); ++i) {
      ADDER_TRY(out_.probes_[i].program, compiling_[i].get());
    }
    return {};
  }

 private:
  /// The buffer of this shape for a program's argument `position`.
  Result<std::size_t> buffer(const Shape& shape, std::size_t position) {
    for (const auto& [at, where] : made_)
      if (out_.buffers_[at].shape() == shape && where == position) return at;
    // An argument, because the compiler would compute a constant while compiling.
    ADDER_TRY(const std::string text, text_of("fill", {{shape.dtype, {}}}, [&](const Values& v) {
                return broadcast_to(v[0], shape.dims);
              }));
    ADDER_TRY(const pjrt::Executable fill, client_.compile(text, options_.compile));
    constexpr float kOne = 1;
    constexpr std::uint16_t kOneBf16 = 0x3f80;
    const void* one = shape.dtype == DType::bf16 ? static_cast<const void*>(&kOneBf16) : &kOne;
    ADDER_TRY(const pjrt::Buffer scalar, client_.to_device(one, {shape.dtype, {}}, device_));
    const std::array<const pjrt::Buffer*, 1> argument{&scalar};
    ADDER_TRY(std::vector<pjrt::Buffer> filled, fill.execute(argument));
    ADDER_TRY(const pjrt::Event done, filled[0].ready());
    ADDER_CHECK(done.wait());
    out_.buffers_.push_back(std::move(filled[0]));
    made_.emplace_back(out_.buffers_.size() - 1, position);
    return made_.back().first;
  }

  LimitsProbe& out_;
  const pjrt::Client& client_;
  const pjrt::Device& device_;
  const LimitsOptions& options_;
  std::vector<std::future<Result<pjrt::Executable>>> compiling_;  // of out_.probes_, in their order
  std::vector<std::pair<std::size_t, std::size_t>> made_;         // buffers_ index, argument position
};

Result<LimitsProbe> LimitsProbe::create(const pjrt::Client& client, const pjrt::Device& device,
                                        const LimitsOptions& options) {
  LimitsProbe out;
  const auto memory = device.memory_stats();
  out.has_queue_ = memory && memory->bytes_limit;
  out.read_bytes_ = probe_bytes(memory);
  Maker maker(out, client, device, options);
  const auto bytes = static_cast<double>(out.read_bytes_);
  const Shape large{DType::f32, {out.read_bytes_ / 4 / kColumns, kColumns}}, row{DType::f32, {1, kColumns}};
  const auto times = [&](Value x, Value w) {  // x [M,K], w [N,K] -> [M,N]: the product of every projection
    return dot_general(x, w, {.lhs_contracting = {1}, .rhs_contracting = {1}},
                       {.precision = options.precision, .result_dtype = DType::f32});
  };
  ADDER_CHECK(
      maker.add(Kind::read, "read_sum", {large}, bytes, [](const Values& v) { return sum(v[0], 1); }));
  ADDER_CHECK(maker.add(Kind::read, "read_vector", {large, row}, bytes,
                        [&](const Values& v) { return times(v[1], v[0]); }));
  if (out.has_queue_) {
    ADDER_CHECK(maker.add(Kind::read, "read_all", {large}, bytes, [](const Values& v) {
      return reduce(v[0], Reduction::maximum, {0, 1});
    }));
    ADDER_CHECK(maker.add(Kind::read, "read_and_write", {large}, 2 * bytes,
                          [](const Values& v) { return negate(v[0]); }));
  }
  std::vector<std::array<std::int64_t, 3>> products{{512, 3072, 768}, {512, 2048, 2048}, {1024, 1024, 1024}};
  if (out.has_queue_) products = {{4096, 4096, 4096}};  // smaller ones do not fill such a device
  if (out.read_bytes_ == kLargeRead) products.push_back({8192, 8192, 8192});
  for (const auto& [m, n, k] : products) {
    const double work = 2.0 * static_cast<double>(m * n * k);
    const auto add = [&](Kind kind, DType type) {
      return maker.add(kind, "gemm", {{type, {m, k}}, {type, {n, k}}}, work,
                       [&](const Values& v) { return times(v[0], v[1]); });
    };
    ADDER_CHECK(add(Kind::gemm, DType::f32));
    if (options.bf16) ADDER_CHECK(add(Kind::gemm_bf16, DType::bf16));
  }
  ADDER_CHECK(maker.finish());
  return out;
}

Result<Limits> LimitsProbe::sample(int rounds) const {
  Limits best;
  for (const Probe& probe : probes_) {
    std::vector<const pjrt::Buffer*> arguments;
    for (const std::size_t at : probe.arguments) arguments.push_back(&buffers_[at]);
    const auto time = [&](int in_a_row) -> Result<double> {
      const auto start = std::chrono::steady_clock::now();
      std::vector<std::vector<pjrt::Buffer>> results;
      for (int i = 0; i < in_a_row; ++i) {
        if (results.size() > 1) results.erase(results.begin());  // which frees it once it is computed
        ADDER_TRY(auto result, probe.program.execute(arguments));
        results.push_back(std::move(result));
      }
      ADDER_TRY(const pjrt::Event done, results.back()[0].ready());
      ADDER_CHECK(done.wait());
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / in_a_row;
    };
    ADDER_TRY(const double first, time(1));  // warms up
    const int in_a_row = has_queue_ ? std::clamp(static_cast<int>(kShortest / first) + 1, 1, kMostInARow) : 1;
    std::vector<double> seconds;
    for (int i = 0; i < rounds; ++i) {
      ADDER_TRY(const double took, time(in_a_row));
      seconds.push_back(took);
    }
    std::nth_element(seconds.begin(), seconds.begin() + rounds / 2, seconds.end());
    const double found = probe.work / seconds[static_cast<std::size_t>(rounds) / 2] / 1e9;
    double& rate = probe.kind == Kind::read   ? best.read_gb_s
                   : probe.kind == Kind::gemm ? best.gemm_gflop_s
                                              : best.gemm_bf16_gflop_s;
    rate = std::max(rate, found);
  }
  return best;
}

}  // namespace adder::measure
