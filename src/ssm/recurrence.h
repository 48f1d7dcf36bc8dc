#pragma once

// The state space recurrence as graph code; it knows nothing of Mamba.
//
// Legend: B batch, T tokens, C chunks, Q chunk length, H heads, G groups, R = H/G heads a group,
//         P head dimension, N state.
//
//   S_t = exp(log_decay_t) S_{t-1} + u_t (x) b_t   [P,N] per head        y_t = S_t c_t   [P]
//
// The chunked form is the state space duality of Dao & Gu 2024 (Mamba-2), section 6.

#include "hlo/ops.h"

namespace adder::ssm {

using hlo::Value;

/// Inputs of the recurrence over T tokens, all float32. A token whose log_decay is 0 and whose input is 0
/// leaves the state as it was, bit for bit: that is how padding is spelled.
struct Recurrence {
  Value log_decay;  ///< [B,T,H], <= 0
  Value input;      ///< u [B,T,H,P]
  Value key;        ///< b [B,T,G,N]; head h reads group h / (H/G)
  Value query;      ///< c [B,T,G,N]
};

struct Scan {
  Value y;      ///< [B,T,H,P]
  Value state;  ///< [B,H,P,N] after the last token
};

/// How to write it, by platform; the same numbers up to the order of sums.
struct Form {
  std::int64_t chunk = 128;  ///< longest chunk
  /// Other than 0: in one step, sums over the state are taken in so many lanes first, then over the lanes.
  std::int64_t lanes = 0;
  /// Few large kernels: running sums and c·b as masked and plain sums, and what a chunk gets from itself and
  /// from those before it as one product, [weights | c] by [u ; state], instead of several that are added.
  bool joined = false;
  hlo::Precision precision = hlo::Precision::HIGHEST;  ///< of its products
};

/// T >= 1 tokens in chunks of form.chunk at most (T need not be a multiple), starting from `state` [B,H,P,N].
/// Throws hlo::BuildError when shapes disagree.
Scan scan_chunked(const Recurrence& r, Value state, const Form& form = {});

/// One token (T = 1): the recurrence itself.
Scan scan_step(const Recurrence& r, Value state, const Form& form = {});

/// scan_step for one token, else scan_chunked in chunks of form.chunk at most.
Scan scan(const Recurrence& r, Value state, const Form& form = {});

}  // namespace adder::ssm
