#pragma once

// The state space recurrence as graph code; it knows nothing of Mamba.
//
// Legend: B batch, T tokens, C chunks, Q chunk length, H heads, G groups, R = H/G heads a group,
//         P head dimension, N state.
//
//   S_t = exp(log_decay_t) S_{t-1} + u_t (x) b_t   [P,N] per head        y_t = S_t c_t   [P]
//
// The decay is one number a head (Mamba-2, retention) or one for each column of the state (GLA, HGRN2,
// RWKV-6; Mamba-1 with a head for each of its channels and P = 1). The chunked form is the state space
// duality of Dao & Gu 2024 (Mamba-2), section 6.
//
// A normaliser (mLSTM, linear attention) needs no form of its own: a row of ones appended to u makes row P of
// the state the decayed sum of the keys, and y's element P its product with the query.

#include <optional>

#include "hlo/ops.h"

namespace adder::ssm {

using hlo::Value;

/// Inputs of the recurrence over T tokens, all float32. A token whose log_decay is 0 and whose input is 0
/// leaves the state as it was, bit for bit: that is how padding is spelled.
struct Recurrence {
  Value log_decay;  ///< [B,T,H] or, per state channel, [B,T,H,N]; <= 0
  Value input;      ///< u [B,T,H,P]
  Value key;        ///< b [B,T,G,N]; head h reads group h / (H/G)
  Value query;      ///< c [B,T,G,N]
  /// [H,N]: the log decay per state channel is log_decay [B,T,H] times this (Mamba-1: log_decay is the step,
  /// this is A). The same as log_decay [B,T,H,N], which for T = 2048, H = 5120, N = 16 would be 671 MB.
  std::optional<Value> rate = {};
};

struct Scan {
  Value y;      ///< [B,T,H,P]
  Value state;  ///< [B,H,P,N] after the last token
};

/// How to write it, by platform; the same numbers up to the order of sums.
struct Form {
  std::int64_t chunk = 128;  ///< longest chunk
  /// Decay per state channel: a chunk is cut into blocks of so many tokens. Between blocks there are
  /// products, each about the sum of log decays at a block's start; inside one, element by element. For each
  /// element of a key that is `block` exponentials and, for the products, chunk/block multiplications: least
  /// near 11.
  std::int64_t block = 16;
  /// Tokens that one iteration of scan_looped takes: one, by the recurrence itself, or several by an
  /// associative scan, which is fewer and larger kernels but log2(looped) passes over looped x H x N
  /// elements. On two busy cores one takes 85 to 125 ms (T = 512, H = 5120, N = 16), 16 take 540 to 3800;
  /// steps in a row inside an iteration took up to 1700, as a compiler computed them again for each y.
  std::int64_t looped = 1;
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

/// The same for decay per state channel, as a loop over few tokens at a time: work H P N a token and memory
/// for form.looped tokens. For P = 1, where nothing is shared between the elements of a head.
Scan scan_looped(const Recurrence& r, Value state, const Form& form = {});

/// One token (T = 1): the recurrence itself.
Scan scan_step(const Recurrence& r, Value state, const Form& form = {});

/// scan_step for one token, scan_looped for decay per state channel with P = 1, else scan_chunked.
Scan scan(const Recurrence& r, Value state, const Form& form = {});

}  // namespace adder::ssm
