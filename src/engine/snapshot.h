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

/// Snapshot files are safetensors: the schema's fields for one row, in their file layout (Mamba-2:
/// `ssm_state.i` f32 [H,P,N] and `conv_state.i` f32 [F,K-1], raw conv inputs, oldest first), and `tokens` s32
/// [position]; metadata and checksum as snapshot_seal.h says. Written atomically.
/// Errors: failed_precondition if the state has absorbed another number of tokens than `tokens` has (it has
/// run ahead of its reader); invalid_argument if it does not fit the schema; corrupt if it holds infinities
/// or NaN; those of write_safetensors.
Status write_snapshot(const std::filesystem::path& path, const Snapshot& snapshot,
                      const model::ModelSpec& model);

/// Reads a file that was written for this model and this fingerprint. Errors: those of open_sealed; corrupt
/// (its parts contradict each other: all tensors that are missing, unknown, or of the wrong shape or type in
/// one message; values that no state has).
Result<Snapshot> read_snapshot(const std::filesystem::path& path, const model::ModelSpec& model,
                               std::uint64_t fingerprint);

}  // namespace adder::engine
