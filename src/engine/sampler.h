#pragma once

// Choosing the next token, as graph code that runs inside the decode loop.
// Legend: B batch, V vocabulary rows, K candidates.

#include <span>

#include "adder/error.h"
#include "adder/options.h"
#include "hlo/ops.h"

namespace adder::engine {

using hlo::Value;

/// What a compiled sampler can do; part of a decode program's identity. The values themselves (temperature,
/// top_p, ...) are arguments and may differ by row.
struct SamplerSpec {
  enum class Method {
    greedy,      ///< argmax
    candidates,  ///< every row has 1 <= top_k <= kCandidates: only that many logits are looked at
    full,        ///< the whole vocabulary
  };
  Method method = Method::greedy;
  bool top_k = false;      ///< full only: some row cuts by rank
  bool top_p = false;      ///< full only: some row cuts by mass
  bool logprobs = false;   ///< the drawn tokens' log probabilities are wanted; 0 otherwise
  bool penalties = false;  ///< some row has a penalty; decode then carries `history`
  bool operator==(const SamplerSpec&) const = default;
};
constexpr std::int64_t kCandidates = 64;

/// The least capable sampler that serves all rows.
SamplerSpec sampler_for(std::span<const SamplingOptions> rows);
/// Rejects values out of range, naming the option, the value and the range.
Status validate(const SamplingOptions& options);
/// "greedy", "candidates", "full_k_p", with "_pen" and "_lp" appended; for program names.
std::string to_string(const SamplerSpec& spec);

/// Per-row sampling parameters, [B] each. One struct: graph values, shapes, buffers.
template <class T>
struct SamplerParams {
  T key;  ///< u32 [B,2]: the seed, low word first
  T temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;  ///< f32 [B]
  T top_k;  ///< s32 [B]; 0 keeps all
};
/// Calls f(name, field, q.field...) in argument order.
template <class F, class P, class... Q>
void visit_sampler(F&& f, P& p, Q&... q) {
  f("key", p.key, q.key...);
  f("temperature", p.temperature, q.temperature...);
  f("top_p", p.top_p, q.top_p...);
  f("min_p", p.min_p, q.min_p...);
  f("repetition_penalty", p.repetition_penalty, q.repetition_penalty...);
  f("presence_penalty", p.presence_penalty, q.presence_penalty...);
  f("frequency_penalty", p.frequency_penalty, q.frequency_penalty...);
  f("top_k", p.top_k, q.top_k...);
}

struct Draw {
  Value token;  ///< s32 [B]
  /// f32 [B]: log softmax of the raw logits at the token, before penalties and temperature; 0 unless wanted
  Value logprob;
};

/// logits [B,V] float32; ids from `vocab_size` up are never chosen. `history` s32 [B,V] (only with penalties)
/// holds 2·(times generated) + (1 if in the prompt). `uniform` f32 [B] in [0,1).
Draw sample(const SamplerSpec& spec, const SamplerParams<Value>& params, Value logits,
            std::int64_t vocab_size, std::optional<Value> history, Value uniform);

}  // namespace adder::engine
