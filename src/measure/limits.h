#pragma once

#include <cstdint>
#include <vector>

#include "hlo/ops.h"
#include "pjrt/client.h"

namespace adder::measure {

/// What this device can do through this plugin now: the denominators of every speed figure.
struct Limits {
  double read_gb_s = 0;          ///< 10^9 bytes a second, streaming from memory
  double gemm_gflop_s = 0;       ///< 10^9 operations a second, products of float32
  double gemm_bf16_gflop_s = 0;  ///< the same of bfloat16, added up in float32; 0: not measured
  /// That of products in `type`: of bfloat16 where it was measured and asked for, else of float32.
  double gemm_rate(DType type) const {
    return type == DType::bf16 && gemm_bf16_gflop_s > 0 ? gemm_bf16_gflop_s : gemm_gflop_s;
  }
};

struct LimitsOptions {
  /// With which the model's own programs are compiled: its flags, and the device.
  pjrt::CompileOptions compile;
  /// Of float32 products, as the model asks for them.
  hlo::Precision precision = hlo::Precision::HIGHEST;
  bool bf16 = false;  ///< measure products of bfloat16 too
};

/// Small programs that measure Limits on the device that runs the model, in the ops that the model uses: sums
/// and a matrix-vector product over a large array, and matrix products. On a device that tells how much
/// memory it has (GPUs do, CPU plugins do not) the array takes up to 4 GiB of it, and products of 4,096 and
/// 8,192 join those of prefill's shapes: smaller work would measure launches. Elsewhere it takes 256 MiB.
/// Compile once, then sample between measurements, because machines are shared and their speed drifts.
/// Thread rule: one thread at a time.
class LimitsProbe {
 public:
  static Result<LimitsProbe> create(const pjrt::Client& client, const pjrt::Device& device,
                                    const LimitsOptions& options);
  /// The median of `rounds` runs of the fastest kernel of each kind; about 0.05 s a round on a small CPU.
  Result<Limits> sample(int rounds = 5) const;
  /// Bytes of the array that is read.
  std::int64_t read_bytes() const { return read_bytes_; }

 private:
  enum class Kind { read, gemm, gemm_bf16 };
  struct Probe {
    Kind kind = Kind::read;
    double work = 0;  ///< bytes or operations of one run
    pjrt::Executable program;
    std::vector<std::size_t> arguments;  ///< of buffers_
  };
  class Maker;

  std::vector<Probe> probes_;
  std::vector<pjrt::Buffer> buffers_;
  std::int64_t read_bytes_ = 0;
  bool has_queue_ = false;  ///< the device runs one program after the other, so that several can be enqueued
};

/// How many bytes the probe reads on a device with these statistics, or without any.
std::int64_t probe_bytes(const Result<pjrt::DeviceMemoryStats>& memory);

}  // namespace adder::measure
