#pragma once

#include "pjrt/client.h"

namespace adder::engine {

/// What this device can do through this plugin now: the denominators of every speed figure.
struct Limits {
  double read_gb_s = 0;     ///< 10^9 bytes a second, streaming float32 from memory
  double gemm_gflop_s = 0;  ///< 10^9 float32 operations a second (full float32 products)
};

/// Small programs that measure Limits on the device that runs the model, in the ops that the model uses: a
/// sum and a matrix-vector product over 256 MiB, and matrix products of prefill's shapes. Compile once, then
/// sample between measurements, because machines are shared and their speed drifts.
/// Thread rule: one thread at a time.
class LimitsProbe {
 public:
  static Result<LimitsProbe> create(const pjrt::Client& client, const pjrt::Device& device);
  /// The median of `rounds` runs of the fastest spelling; about 0.05 s a round on a small CPU.
  Result<Limits> sample(int rounds = 5) const;

 private:
  struct Probe {
    pjrt::Executable program;
    std::vector<pjrt::Buffer> arguments;
    double work = 0;  ///< bytes or operations of one run
    bool is_gemm = false;
  };
  std::vector<Probe> probes_;
};

}  // namespace adder::engine
