#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "adder/error.h"
#include "base/log.h"
#include "checkpoint/checkpoint.h"

namespace adder::checkpoint {

struct FingerprintOptions {
  /// Where answers are remembered, in a folder "fingerprints" made there; empty: nowhere. That it cannot be
  /// written is no reason to fail.
  std::filesystem::path memory;
  Progress* progress = &null_progress();              ///< bytes of weights read
  const std::atomic<bool>* stop = nullptr;            ///< may interrupt at any time
  std::optional<std::int64_t> now_ns = std::nullopt;  ///< since 1970, for tests; nullopt: the clock's
};

/// Identifies the model in state files: 64 bits over the sizes and constants of the config, the canonical
/// names, types and shapes of the tensors, and every byte of them. The same for every sharding, naming and
/// container of the same weights, on every machine; another for another element type. Not cryptographic.
///
/// All weights are read, once: the answer is remembered by the identity of their files (base/file_identity.h)
/// and, of the config and the list of tensors, by content. Files that changed within the last two seconds, or
/// since the checkpoint was opened, are read each time. Errors: cancelled.
Result<std::uint64_t> fingerprint_of(const Checkpoint& checkpoint, const FingerprintOptions& options = {});

}  // namespace adder::checkpoint
