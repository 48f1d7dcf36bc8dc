#include "engine/limits.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "hlo/arith.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

/// x [M,K], w [N,K] -> [M,N]: the product of every projection.
Value product(Value x, Value w) {
  return dot_general(x, w, {.lhs_contracting = {1}, .rhs_contracting = {1}});
}

struct Text {
  std::string program;
  std::vector<Shape> arguments;
};
Text text_of(const char* name, std::vector<Shape> shapes, const std::function<Value(const Values&)>& body) {
  Module module(name);
  Function& f = module.main();
  Values arguments;
  for (const Shape& shape : shapes) arguments.push_back(f.argument(shape));
  f.finish({{"out", body(arguments)}});
  return {module.text(), std::move(shapes)};
}

Shape f32(std::int64_t rows, std::int64_t columns) { return {DType::f32, {rows, columns}}; }

}  // namespace

Result<LimitsProbe> LimitsProbe::create(const pjrt::Client& client, const pjrt::Device& device) {
  LimitsProbe out;
  constexpr std::int64_t kRows = 32768, kColumns = 2048;  // 256 MiB of float32
  const auto add = [&](const Text& text, double work, bool is_gemm) -> Status {
    Probe probe{.program = {}, .arguments = {}, .work = work, .is_gemm = is_gemm};
    ADDER_TRY(probe.program, client.compile(text.program));
    for (const Shape& shape : text.arguments) {
      const std::vector<float> ones(static_cast<std::size_t>(shape.elements()), 1.0F);
      ADDER_TRY(pjrt::Buffer buffer, client.to_device(ones.data(), shape, device));
      probe.arguments.push_back(std::move(buffer));
    }
    out.probes_.push_back(std::move(probe));
    return {};
  };
  const auto bytes = static_cast<double>(kRows * kColumns * 4);
  ADDER_CHECK(add(text_of("read_vector", {f32(1, kColumns), f32(kRows, kColumns)},
                          [](const Values& v) { return product(v[0], v[1]); }),
                  bytes, false));
  ADDER_CHECK(
      add(text_of("read_sum", {f32(kRows, kColumns)}, [](const Values& v) { return hlo::sum(v[0], 1); }),
          bytes, false));
  for (const auto& [m, n, k] :
       {std::array<std::int64_t, 3>{512, 3072, 768}, {512, 2048, 2048}, {1024, 1024, 1024}})
    ADDER_CHECK(
        add(text_of("gemm", {f32(m, k), f32(n, k)}, [](const Values& v) { return product(v[0], v[1]); }),
            2.0 * static_cast<double>(m * n * k), true));
  return out;
}

Result<Limits> LimitsProbe::sample(int rounds) const {
  Limits best;
  for (const Probe& probe : probes_) {
    std::vector<const pjrt::Buffer*> arguments;
    for (const pjrt::Buffer& b : probe.arguments) arguments.push_back(&b);
    std::vector<double> seconds;
    for (int i = 0; i <= rounds; ++i) {  // the first warms up
      const auto start = std::chrono::steady_clock::now();
      ADDER_TRY(const auto results, probe.program.execute(arguments));
      ADDER_TRY(const pjrt::Event done, results[0].ready());
      ADDER_CHECK(done.wait());
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (i > 0) seconds.push_back(took);
    }
    std::nth_element(seconds.begin(), seconds.begin() + rounds / 2, seconds.end());
    double& rate = probe.is_gemm ? best.gemm_gflop_s : best.read_gb_s;
    rate = std::max(rate, probe.work / seconds[static_cast<std::size_t>(rounds) / 2] / 1e9);
  }
  return best;
}

}  // namespace adder::engine
