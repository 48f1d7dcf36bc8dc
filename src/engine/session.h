#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "adder/options.h"
#include "engine/engine.h"

namespace adder::engine {

/// One piece's results of extend_all, on the host. Legend: n real tokens of the piece, D model, V rows.
struct AllOutputs {
  std::vector<std::vector<float>> hidden;  ///< L+1 of [n,D]
  std::vector<float> final_hidden;         ///< [n,D]
  std::vector<float> logits;               ///< [n,V]
};

/// B sequences that grow together: a State and the programs that move it on. All calls enqueue work and
/// return; only those that give host values wait. After an error the state may be gone.
/// Thread rule: one thread at a time. The engine must outlive it and be loaded.
class Session {
 public:
  Session(const Engine& engine, State state) : engine_(engine), state_(std::move(state)) {}

  /// Absorbs rows[b] into row b; rows may differ in length and be empty. One row span for each batch row.
  Status extend(std::span<const std::vector<std::int32_t>> rows);
  /// The same, and logits [B,V] after each row's last token (unspecified for an empty row). rows[*] not all
  /// empty.
  Result<pjrt::Buffer> extend_logits(std::span<const std::vector<std::int32_t>> rows);
  /// For a batch of one: absorbs `tokens` and gives every intermediate value; at most the ladder's largest
  /// piece at a time is on the device.
  Result<AllOutputs> extend_all(std::span<const std::int32_t> tokens);

  /// For a batch of one: absorbs all of `tokens` but the last and gives, for each token after the first, its
  /// log probability given those before it: tokens.size() - 1 values. Needs two tokens at least.
  Result<std::vector<float>> score(std::span<const std::int32_t> tokens);

  const State& state() const { return state_; }
  State take_state() && { return std::move(state_); }
  const Engine& engine() const { return engine_; }

 private:
  friend class Generation;
  struct Piece {
    std::int64_t tokens, offset;
  };
  Status check_tokens(std::span<const std::vector<std::int32_t>> rows) const;
  Result<std::vector<pjrt::Buffer>> run_piece(std::span<const std::vector<std::int32_t>> rows, Piece piece,
                                              ExtendSpec::Outputs outputs,
                                              std::span<const std::int32_t> targets = {});

  const Engine& engine_;
  State state_;
};

struct GenerationOptions {
  std::vector<SamplingOptions> sampling;  ///< one for each row
  std::vector<std::int32_t> stop_ids;     ///< at most kStopIds; a row ends after emitting one
  std::vector<std::int64_t> max_tokens;   ///< one for each row, >= 0
  std::int64_t block = 16;                ///< S: decode steps in one device call
  bool logprobs = false;                  ///< also read the chosen tokens' log probabilities
  std::int64_t in_flight = 2;  ///< blocks enqueued at once; 1: a block is read before the next is enqueued
};

/// Tokens of one device call, row by row; a row that had finished contributes none.
struct TokenBlock {
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<std::vector<float>> logprobs;  ///< empty rows unless asked for
};

/// Block decode: while the host reads one block the device computes the next. Nothing but finished blocks
/// crosses to the host, nothing crosses to the device after start().
/// Thread rule: one thread at a time; it borrows the session, which must not be used meanwhile.
class Generation {
 public:
  /// `prompts[b]` is everything row b has been given so far (for penalties); its last token must not have
  /// been absorbed yet: decode absorbs it first. Errors: an empty prompt, sizes that differ from the batch,
  /// options out of range, ids outside the vocabulary.
  static Result<Generation> start(Session& session, std::span<const std::vector<std::int32_t>> prompts,
                                  const GenerationOptions& options);

  /// The next block, or nullopt once every row has finished.
  Result<std::optional<TokenBlock>> next();
  bool finished() const;
  /// Positions are exact once finished; the last token of each row is chosen but not absorbed.
  const Session& session() const { return *session_; }

 private:
  struct InFlight {
    pjrt::Buffer tokens, logprobs;
  };
  explicit Generation(Session& session) : session_(&session) {}
  Status prepare(std::span<const std::vector<std::int32_t>> prompts, const GenerationOptions& options);
  Status enqueue();

  Session* session_;
  ProgramRef program_;
  std::vector<pjrt::Buffer> carried_;  // last_token, counter, remaining, maybe history
  std::vector<pjrt::Buffer> fixed_;    // sampler parameters and stop ids
  std::vector<std::int64_t> remaining_;
  std::vector<std::int32_t> stop_ids_;
  std::int64_t steps_ = 0, ahead_ = 2;
  bool wants_logprobs_ = false;
  std::int64_t enqueued_steps_ = 0, read_steps_ = 0;
  std::deque<InFlight> in_flight_;
};

}  // namespace adder::engine
