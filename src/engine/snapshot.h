#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/state.h"

namespace adder::engine {

/// One sequence's state as a file: enough to go on where it stopped, on any plugin.
struct Snapshot {
  HostState state;
  std::vector<std::int32_t> tokens;  ///< all that were absorbed, in order: state.position of them
  std::uint64_t fingerprint = 0;     ///< of the model, see checkpoint::fingerprint_of
  DType weight_dtype = DType::f32;   ///< what the model computed with; the state itself is always float32
};

/// Snapshot files are safetensors: `ssm_state.i` f32 [H,P,N] and `conv_state.i` f32 [F,K-1] (raw conv inputs,
/// oldest first) for each layer i, `tokens` s32 [position]; metadata and checksum as snapshot_seal.h says.
/// Written atomically.
/// Errors: invalid_argument if the snapshot is not of `config`'s sizes; corrupt if the state holds infinities
/// or NaN; those of write_safetensors.
Status write_snapshot(const std::filesystem::path& path, const Snapshot& snapshot,
                      const model::Mamba2Config& config);

/// Reads a file that was written for a model of these sizes and this fingerprint. Errors: those of
/// open_sealed; corrupt (its parts contradict each other: all tensors that are missing, unknown, or of the
/// wrong shape or type in one message; values that no state has).
Result<Snapshot> read_snapshot(const std::filesystem::path& path, const model::Mamba2Config& config,
                               std::uint64_t fingerprint);

}  // namespace adder::engine
