#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "adder/error.h"
#include "engine/programs.h"
#include "pjrt/client.h"

namespace adder::engine {

/// What a batch of B sequences has absorbed, on one device: a buffer for each field of the model's schema
/// (ModelSpec::state), [B, row...], the position s32 [B] last. A value: it can be created, cloned, gathered
/// and scattered by rows, copied to the host and back; there is no trim. Move-only, so that a copy is a
/// visible clone(). Programs take its buffers over (donation) and give new ones back; a State whose buffers
/// were taken and not replaced answers failed_precondition. Thread rule: one thread at a time.
struct State {
  std::vector<pjrt::Buffer> buffers;
  std::int64_t batch = 0;

  /// Of recurrent and window fields this is the same at every position.
  std::int64_t bytes() const;
  /// How many tokens each row has absorbed: read from the device, so it waits for what was enqueued.
  Result<std::vector<std::int64_t>> positions() const;
  /// Completes when everything enqueued on it is done.
  Result<pjrt::Event> ready() const;
  /// An independent copy on the same device.
  Result<State> clone(const pjrt::Device& device) const;
};

/// The programs that make and move states, on one device. Cheap to make; `programs` must outlive it.
class StatePrograms {
 public:
  StatePrograms(Programs& programs, pjrt::Client client, pjrt::Device device)
      : programs_(programs), client_(std::move(client)), device_(std::move(device)) {}

  /// All zeros: nothing absorbed. Made on the device.
  Result<State> zero(std::int64_t batch) const;
  /// A state whose row b is row rows[b] of `from`, which stays as it is.
  Result<State> gather(const State& from, std::span<const std::int32_t> rows) const;
  /// Row rows[r] of `into` becomes row r of `from`.
  Status scatter(State& into, const State& from, std::span<const std::int32_t> rows) const;

 private:
  Result<pjrt::Buffer> upload(std::span<const std::int32_t> rows, std::int64_t limit) const;

  Programs& programs_;
  pjrt::Client client_;
  pjrt::Device device_;
};

/// One sequence's state on the host, in the layout of snapshot files and of mamba_ssm's inference cache.
struct HostState {
  struct Field {
    std::string name;              ///< "ssm_state.3"
    Shape shape;                   ///< as in a file; of kv fields only what is in use
    std::vector<std::byte> bytes;  ///< row-major
  };
  std::vector<Field> fields;  ///< in the schema's order, without the position
  std::int64_t position = 0;

  /// A float32 field by name; empty if there is none.
  std::span<const float> floats(std::string_view name) const;
};

/// Reads row `row` of a state back, and nothing of the other rows; waits for whatever computes it.
Result<HostState> to_host(const StatePrograms& programs, const State& state, const model::ModelSpec& model,
                          std::int64_t row = 0);
/// A state whose rows are `rows`; each must fit the schema (the caller checks foreign files).
Result<State> to_device(const std::vector<HostState>& rows, const StatePrograms& programs,
                        const model::ModelSpec& model, const pjrt::Client& client,
                        const pjrt::Device& device);

/// The shape that a field has in a file at `position`.
Shape file_shape(const arch::StateField& field, std::int64_t position);

}  // namespace adder::engine
