#pragma once

// The programs of design section 4 as graphs. Argument and result names are the contract between this file
// and whoever runs them. Legend: B batch, T tokens, S steps, V vocabulary rows, D model.

#include <functional>
#include <string>

#include "engine/sampler.h"
#include "hlo/module.h"
#include "model/layers.h"
#include "model/parameters.h"

namespace adder::engine {

/// Everything about a model that programs are built from.
struct ModelSpec {
  model::Mamba2Config config;
  model::Policy policy;
  DType weight_dtype = DType::f32;  ///< f32, bf16 or s8
};

/// Absorbs up to T tokens a row. Arguments: parameters; state (donated); tokens s32 [B,T]; lengths s32 [B].
/// Results: state; then by `outputs`: nothing; `logits` [B,V] at each row's last real token (row of length 0:
/// unspecified); or `hidden.0`..`hidden.L`, `final_hidden` [B,T,D] and `logits` [B,T,V]; or `logprobs` [B,T],
/// the log probability of `targets` s32 [B,T] (a further argument) after each token, over the ids that exist.
struct ExtendSpec {
  enum class Outputs { state, last, all, scores };
  std::int64_t batch = 1, tokens = 1;
  Outputs outputs = Outputs::state;
  bool operator==(const ExtendSpec&) const = default;
};

/// S steps in one while loop. Arguments: parameters; donated: state, last_token s32 [B] (chosen, not yet
/// absorbed), counter u32 [B] (draws so far), remaining s32 [B] (tokens a row may still emit; 0: finished),
/// and `history` s32 [B,V] with penalties; then the sampler's parameters and stop_ids s32 [kStopIds] (-1:
/// none). Results: tokens s32 [B,S] (-1 where a row had finished), logprobs f32 [B,S], then what was donated.
/// A step absorbs last_token, then chooses the next. A finished row keeps its state bit for bit.
struct DecodeSpec {
  std::int64_t batch = 1, steps = 1;
  SamplerSpec sampler;
  bool operator==(const DecodeSpec&) const = default;
};
constexpr std::int64_t kStopIds = 8;

/// File-name safe: "extend_b1_t512", "decode_b1_s64_greedy".
std::string to_string(const ExtendSpec& spec);
std::string to_string(const DecodeSpec& spec);

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
Result<Graph> build_decode(const ModelSpec& model, const DecodeSpec& spec, const Inspect& inspect = {});

}  // namespace adder::engine
