#pragma once

// The programs that the engine runs, as graphs. Argument and result names are the contract between this file
// and whoever runs them. Legend: B batch, T tokens, S steps, V vocabulary rows, D model.

#include <functional>
#include <string>

#include "engine/sampler.h"
#include "hlo/module.h"
#include "model/spec.h"

namespace adder::engine {

using model::ModelSpec;

/// Absorbs up to T tokens a row. Arguments: parameters; state (donated); tokens s32 [B,T]; lengths s32 [B].
/// Results: state; then by `outputs`: nothing; `logits` [B,V] at each row's last real token (row of length 0:
/// unspecified); or `hidden.0`..`hidden.L`, `final_hidden` [B,T,D] and `logits` [B,T,V]; or `logprobs` [B,T],
/// the log probability of `targets` s32 [B,T] (a further argument) after each token, over the ids that exist;
/// NaN where the logits of those are not all finite.
struct ExtendSpec {
  enum class Outputs { state, last, all, scores };
  std::int64_t batch = 1, tokens = 1;
  Outputs outputs = Outputs::state;
  bool operator==(const ExtendSpec&) const = default;
};

/// S steps in one while loop. Arguments: parameters; donated: state, last_token s32 [B] (chosen, not yet
/// absorbed), counter u32 [B] (draws so far), remaining s32 [B] (tokens a row may still emit; 0: finished),
/// and `history` s32 [B,V] with penalties; then the sampler's parameters and stop_ids s32 [kStopIds] (-1:
/// none). Results: tokens s32 [B,S], logprobs f32 [B,S], then what was donated. A step absorbs last_token,
/// then chooses the next. A token is kNoToken where a row had finished, and kNotFinite where its logits were
/// not all finite, which finishes the row. A finished row keeps its state bit for bit.
/// The loop makes S steps, a constant, as GPUs want it. With `open` it ends before the S-th when no row needs
/// more, or after `limit` steps, a further argument (s32 []); its cost then counts one step.
struct DecodeSpec {
  std::int64_t batch = 1, steps = 1;
  SamplerSpec sampler;
  bool open = false;
  bool operator==(const DecodeSpec&) const = default;
};
constexpr std::int32_t kNoToken = -1, kNotFinite = -2;
constexpr std::int64_t kStopIds = 8;

/// What moves states about, field by field of the schema; nothing crosses to the host. Legend: B batch, F, R
/// rows.
///   zero     -> state [B]                              nothing absorbed
///   gather   state [F], rows s32 [B] -> state [B]      row b is the old row rows[b]
///   scatter  state [B] (donated), state [R], rows s32 [R] -> state [B]   row rows[r] becomes the other's row
///   r
/// One row is read by gather to a batch of 1, and written by scatter from one.
struct StateSpec {
  enum class Op { zero, gather, scatter };
  Op op = Op::zero;
  std::int64_t batch = 1;  ///< B, of the result
  std::int64_t other = 1;  ///< F of gather, R of scatter; unused by zero
  bool operator==(const StateSpec&) const = default;
};

/// File-name safe: "extend_b1_t512", "decode_b1_s64_greedy", "decode_b1_upto64_greedy" (open).
std::string to_string(const ExtendSpec& spec);
std::string to_string(const DecodeSpec& spec);
std::string to_string(const StateSpec& spec);  ///< "state_gather_b1_f8"

/// A finished program: StableHLO text and the contract for running it.
struct Graph {
  std::string name;  ///< to_string of its spec
  std::string text;
  hlo::Signature signature;
  hlo::Cost cost;
};
/// Errors are our bugs, reported as ErrorCode::internal with the line that wrote the wrong op.
using Inspect = std::function<void(const hlo::Module&)>;  ///< sees the finished module, before it goes
Result<Graph> build_extend(const ModelSpec& model, const ExtendSpec& spec, const Inspect& inspect = {});
Result<Graph> build_state(const ModelSpec& model, const StateSpec& spec, const Inspect& inspect = {});
Result<Graph> build_decode(const ModelSpec& model, const DecodeSpec& spec, const Inspect& inspect = {});

}  // namespace adder::engine
