#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
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

/// The error, corrupt, of a model whose results are infinities or NaN, from which nothing sensible follows.
Error not_finite(const std::string& found);

/// B sequences that grow together: a State and the programs that move it on. All calls enqueue work and
/// return, with two pieces at most under way, one where a piece takes long; those that give host values wait.
/// After an error the state may be gone. `cancel`, if given, is looked at between pieces: error cancelled,
/// and the state has absorbed the pieces before it.
/// Thread rule: one thread at a time. The engine must outlive it and be loaded.
class Session {
 public:
  Session(const Engine& engine, State state) : engine_(engine), state_(std::move(state)) {}

  /// Absorbs rows[b] into row b; rows may differ in length and be empty. One row span for each batch row.
  Status extend(std::span<const std::vector<std::int32_t>> rows, const std::atomic<bool>* cancel = nullptr);
  /// The same, and logits [B,V] after each row's last token (unspecified for an empty row). rows[*] not all
  /// empty.
  Result<pjrt::Buffer> extend_logits(std::span<const std::vector<std::int32_t>> rows);
  /// For a batch of one: absorbs `tokens` and gives every intermediate value; at most the ladder's largest
  /// piece at a time is on the device. Error corrupt if one of them is not finite.
  Result<AllOutputs> extend_all(std::span<const std::int32_t> tokens,
                                const std::atomic<bool>* cancel = nullptr);

  /// For a batch of one: absorbs all of `tokens` but the last and gives, for each token after the first, its
  /// log probability given those before it: tokens.size() - 1 values. Needs two tokens at least. Error
  /// corrupt if logits are not finite.
  Result<std::vector<float>> score(std::span<const std::int32_t> tokens,
                                   const std::atomic<bool>* cancel = nullptr);

  const State& state() const { return state_; }
  State take_state() && { return std::move(state_); }
  const Engine& engine() const { return engine_; }

 private:
  friend class Generation;
  struct Piece {
    std::int64_t tokens, offset;
  };
  Status check_tokens(std::span<const std::vector<std::int32_t>> rows) const;
  Status run_pieces(std::span<const std::vector<std::int32_t>> rows, std::span<const std::int64_t> pieces,
                    const std::atomic<bool>* cancel);
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
  /// Unset: every call makes S steps. Set: S at most, no more than rows can need, and no more, by what steps
  /// were measured to take, than last so long; lengths are of a short ladder (block_lengths).
  std::optional<std::chrono::duration<double>> longest_call = {};
  std::optional<bool> open_loops = {};  ///< with longest_call; unset: as the platform likes
};

/// The decode program that a generation with these options begins with.
DecodeSpec decode_spec(const Engine& engine, const GenerationOptions& options);
/// The lengths, falling from `block` to 1, that calls may have where `longest_call` is set. Loops that may
/// end early are one program, and these its limits: the powers of two. Elsewhere each is a program: 16, 4
/// and 1.
std::vector<std::int64_t> block_lengths(std::int64_t block, bool open_loops);

/// Tokens of one device call, row by row; a row that had finished contributes none.
struct TokenBlock {
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<std::vector<float>> logprobs;  ///< empty rows unless asked for
};

/// Block decode: while the host reads one block the device computes the next. Nothing but finished blocks
/// crosses to the host, nothing crosses to the device after start().
/// Logits that are not finite end it: what was chosen before is given, then next() answers error corrupt.
/// Thread rule: one thread at a time; it borrows the session, which must not be used meanwhile.
class Generation {
 public:
  /// `prompts[b]` is everything row b has been given so far (for penalties); its last token must not have
  /// been absorbed yet: decode absorbs it first. Errors: an empty prompt, sizes that differ from the batch,
  /// options out of range, ids outside the vocabulary.
  static Result<Generation> start(Session& session, std::span<const std::vector<std::int32_t>> prompts,
                                  const GenerationOptions& options);

  /// The next block, or nullopt once every row has finished. A block may hold no tokens.
  Result<std::optional<TokenBlock>> next();
  bool finished() const;
  /// Once finished its state has absorbed every token given but the last of each row, which is chosen only.
  /// Before that, and after a generation that was dropped, it has run ahead of what was read: its positions
  /// tell, and write_snapshot refuses it.
  const Session& session() const { return *session_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct InFlight {
    pjrt::Buffer tokens, logprobs;
    std::int64_t steps = 0, stride = 0;  ///< made at most; columns of a row
    Clock::time_point enqueued = {};
  };
  explicit Generation(Session& session) : session_(&session) {}
  Status prepare(std::span<const std::vector<std::int32_t>> prompts, const GenerationOptions& options);
  Status prepare_lengths(const GenerationOptions& options);
  Status enqueue();
  Result<TokenBlock> read(const InFlight& block);
  Status adapt(double seconds_per_step);

  Session* session_;
  DecodeSpec spec_;
  ProgramRef program_;
  std::vector<pjrt::Buffer> carried_;  // last_token, counter, remaining, maybe history
  std::vector<pjrt::Buffer> fixed_;    // sampler parameters and stop ids
  std::vector<std::int64_t> remaining_;
  std::vector<std::int32_t> stop_ids_;
  std::int64_t steps_ = 0, ahead_ = 2;           // steps_: of the next call
  std::vector<std::int64_t> lengths_;            // that steps_ may become; empty: it stays
  std::map<std::int64_t, pjrt::Buffer> limits_;  // by length; only for open loops
  double longest_call_ = 0, step_seconds_ = 0;   // measured; 0: not yet
  Clock::time_point last_read_ = {};
  bool wants_logprobs_ = false;
  std::int64_t enqueued_steps_ = 0, read_steps_ = 0;
  std::deque<InFlight> in_flight_;
  std::optional<Error> failure_;  // what next() answers from now on
};

}  // namespace adder::engine
