#pragma once

#include <cstdint>
#include <vector>

#include "adder/error.h"
#include "model/state.h"
#include "pjrt/client.h"

namespace adder::engine {

/// What a batch of B sequences has absorbed, on one device: the whole memory of a state space model, of the
/// same size at every position. A value: it can be created, cloned, copied to the host and back; there is no
/// trim. Move-only, so that a copy is a visible clone(). Programs take its buffers over (donation) and give
/// new ones back; a State whose buffers were taken and not replaced answers failed_precondition.
/// Thread rule: one thread at a time.
struct State {
  model::State<pjrt::Buffer> layers;
  std::vector<std::int64_t> positions;  ///< [B] tokens absorbed by each row

  std::int64_t batch() const { return static_cast<std::int64_t>(positions.size()); }
  std::int64_t bytes() const;

  /// All zeros: nothing absorbed.
  static Result<State> zero(const pjrt::Client& client, const model::Mamba2Config& config, std::int64_t batch,
                            const pjrt::Device& device);
  /// An independent copy on the same device.
  Result<State> clone(const pjrt::Device& device) const;
};

/// One sequence's state on the host, in the layout of snapshot files and of mamba_ssm's inference cache.
struct HostState {
  struct Layer {
    std::vector<float> conv;  ///< [F,K-1] raw conv inputs, oldest first
    std::vector<float> ssm;   ///< [H,P,N]
  };
  std::vector<Layer> layers;
  std::int64_t position = 0;
};

/// Reads row `row` of a state back; waits for whatever computes it.
Result<HostState> to_host(const State& state, const model::Mamba2Config& config, std::int64_t row = 0);
/// A state whose rows are `rows`; each must match `config` (the caller checks the sizes of foreign files).
Result<State> to_device(const std::vector<HostState>& rows, const model::Mamba2Config& config,
                        const pjrt::Client& client, const pjrt::Device& device);

}  // namespace adder::engine
