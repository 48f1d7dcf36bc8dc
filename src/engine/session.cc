#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/ladder.h"

namespace adder::engine {

namespace {

std::int64_t longest(std::span<const std::vector<std::int32_t>> rows) {
  std::size_t n = 0;
  for (const auto& row : rows) n = std::max(n, row.size());
  return static_cast<std::int64_t>(n);
}

/// Copies the first n of the padded rows of a [1,T,W] buffer to the end of `out`; the first `real` columns of
/// each must be finite. `first`: the position of the first row, for the message.
Status append_rows(const pjrt::Buffer& buffer, std::int64_t n, std::vector<float>& out,
                   const std::string& name, std::int64_t first, std::int64_t real) {
  ADDER_TRY(const auto host, buffer.to_host<float>());
  const std::int64_t width = buffer.shape().dims.back();
  for (std::int64_t row = 0; row < n; ++row)
    for (std::int64_t i = 0; i < real; ++i)
      if (const float x = host[static_cast<std::size_t>(row * width + i)]; !std::isfinite(x))
        return fail(not_finite(fmt::format("{} at position {}, column {}, is {}", name, first + row, i, x)));
  out.insert(out.end(), host.begin(), host.begin() + n * width);
  return {};
}

Status look_at(const std::atomic<bool>* cancel, std::int64_t done, std::int64_t total) {
  if (!cancel || !cancel->load(std::memory_order_relaxed)) return {};
  return fail(ErrorCode::cancelled, fmt::format("interrupted after {} of {} tokens", done, total));
}

/// Keeps the pieces under way few, so that whoever asked is heard soon and little is queued for nothing.
class Throttle {
 public:
  /// Call after enqueuing each piece. Waits for the piece before it, or, where that took long, for this one:
  /// then the gap between pieces does not count.
  Status enqueued(const State& state) {
    ADDER_TRY(pjrt::Event done, state.ready());
    const auto start = Clock::now();
    if (slow_) {
      ADDER_CHECK(done.wait());
    } else if (before_) {
      ADDER_CHECK(before_->wait());
    }
    slow_ = Clock::now() - start > kLong;
    before_ = std::move(done);
    return {};
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLong{100};
  std::optional<pjrt::Event> before_;
  bool slow_ = false;
};

}  // namespace

Error not_finite(const std::string& found) {
  return {ErrorCode::corrupt, "the model computes infinities or NaN: " + found,
          "`adder inspect --check` finds weights that are not finite or overflow"};
}

Status Session::check_tokens(std::span<const std::vector<std::int32_t>> rows) const {
  if (static_cast<std::int64_t>(rows.size()) != state_.batch)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} rows of tokens for a batch of {}", rows.size(), state_.batch));
  const std::int64_t vocab = engine_.config().vocab_size;
  for (const auto& row : rows)
    for (const std::int32_t id : row)
      if (id < 0 || id >= vocab)
        return fail(ErrorCode::invalid_argument,
                    fmt::format("token id {} is outside the vocabulary: expected 0 to {}", id, vocab - 1));
  return {};
}

Result<std::vector<pjrt::Buffer>> Session::run_piece(std::span<const std::vector<std::int32_t>> rows,
                                                     Piece piece, ExtendSpec::Outputs outputs,
                                                     std::span<const std::int32_t> targets) {
  const std::int64_t batch = state_.batch;
  ADDER_TRY(const ProgramRef program,
            engine_.programs().extend({.batch = batch, .tokens = piece.tokens, .outputs = outputs}));
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(batch * piece.tokens), 0), lengths;
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto& row = rows[static_cast<std::size_t>(b)];
    const std::int64_t left = static_cast<std::int64_t>(row.size()) - piece.offset;
    const std::int64_t n = std::clamp<std::int64_t>(left, 0, piece.tokens);
    if (n > 0) std::copy_n(row.begin() + piece.offset, n, tokens.begin() + b * piece.tokens);
    lengths.push_back(static_cast<std::int32_t>(n));
  }
  const auto& client = engine_.client();
  ADDER_TRY(const pjrt::Buffer token_buffer,
            client.to_device(tokens.data(), Shape{DType::s32, {batch, piece.tokens}}, engine_.device()));
  ADDER_TRY(const pjrt::Buffer length_buffer,
            client.to_device(lengths.data(), Shape{DType::s32, {batch}}, engine_.device()));

  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : engine_.weights()) arguments.push_back(&b);
  for (const pjrt::Buffer& b : state_.buffers) arguments.push_back(&b);
  arguments.insert(arguments.end(), {&token_buffer, &length_buffer});
  pjrt::Buffer target_buffer;
  if (outputs == ExtendSpec::Outputs::scores) {
    ADDER_TRY(target_buffer,
              client.to_device(targets.data(), Shape{DType::s32, {batch, piece.tokens}}, engine_.device()));
    arguments.push_back(&target_buffer);
  }
  ADDER_TRY(std::vector<pjrt::Buffer> results, program->executable.execute(arguments));

  auto next = results.begin();
  for (pjrt::Buffer& b : state_.buffers) b = std::move(*next++);
  results.erase(results.begin(), next);
  return results;
}

Status Session::run_pieces(std::span<const std::vector<std::int32_t>> rows,
                           std::span<const std::int64_t> pieces, const std::atomic<bool>* cancel) {
  Throttle throttle;
  std::int64_t offset = 0;
  for (const std::int64_t piece : pieces) {
    ADDER_CHECK(look_at(cancel, offset, longest(rows)));
    ADDER_CHECK(run_piece(rows, {piece, offset}, ExtendSpec::Outputs::state));
    ADDER_CHECK(throttle.enqueued(state_));
    offset += piece;
  }
  return {};
}

Status Session::extend(std::span<const std::vector<std::int32_t>> rows, const std::atomic<bool>* cancel) {
  ADDER_CHECK(check_tokens(rows));
  return run_pieces(rows, plan_pieces(longest(rows)), cancel);
}

Result<pjrt::Buffer> Session::extend_logits(std::span<const std::vector<std::int32_t>> rows) {
  ADDER_CHECK(check_tokens(rows));
  const std::int64_t tokens = longest(rows);
  for (const auto& row : rows)
    if (static_cast<std::int64_t>(row.size()) != tokens || tokens == 0)
      return fail(ErrorCode::invalid_argument, "extend_logits takes rows of one length, at least 1");
  const std::vector<std::int64_t> pieces = plan_pieces(tokens);
  const std::span<const std::int64_t> head(pieces.data(), pieces.size() - 1);
  ADDER_CHECK(run_pieces(rows, head, nullptr));
  const std::int64_t offset = std::accumulate(head.begin(), head.end(), std::int64_t{0});
  ADDER_TRY(auto results, run_piece(rows, {pieces.back(), offset}, ExtendSpec::Outputs::last));
  return std::move(results.front());
}

Result<std::vector<float>> Session::score(std::span<const std::int32_t> tokens,
                                          const std::atomic<bool>* cancel) {
  if (tokens.size() < 2) return fail(ErrorCode::invalid_argument, "score takes at least two tokens");
  const std::vector<std::vector<std::int32_t>> rows{{tokens.begin(), tokens.end() - 1}};
  ADDER_CHECK(check_tokens(rows));
  ADDER_CHECK(check_tokens(std::vector<std::vector<std::int32_t>>{{tokens.back()}}));
  std::vector<float> out;
  ADDER_TRY(const auto begin, state_.positions());
  std::int64_t offset = 0;
  for (const std::int64_t piece : plan_pieces(longest(rows))) {
    ADDER_CHECK(look_at(cancel, offset, longest(rows)));
    const std::int64_t n = std::min(piece, longest(rows) - offset), position = begin[0] + offset;
    std::vector<std::int32_t> targets(static_cast<std::size_t>(piece), 0);
    std::copy_n(tokens.begin() + offset + 1, n, targets.begin());
    ADDER_TRY(const auto results, run_piece(rows, {piece, offset}, ExtendSpec::Outputs::scores, targets));
    ADDER_TRY(const auto logprobs, results.front().to_host<float>());
    for (std::int64_t i = 0; i < n; ++i)
      if (!std::isfinite(logprobs[static_cast<std::size_t>(i)]))
        return fail(not_finite(fmt::format("the logits at position {}", position + i)));
    out.insert(out.end(), logprobs.begin(), logprobs.begin() + n);
    offset += piece;
  }
  return out;
}

Result<AllOutputs> Session::extend_all(std::span<const std::int32_t> tokens,
                                       const std::atomic<bool>* cancel) {
  const std::vector<std::vector<std::int32_t>> rows{{tokens.begin(), tokens.end()}};
  ADDER_CHECK(check_tokens(rows));
  AllOutputs out;
  out.hidden.resize(static_cast<std::size_t>(engine_.config().n_layer) + 1);
  ADDER_TRY(const auto begin, state_.positions());
  std::int64_t offset = 0;
  const auto& config = engine_.config();
  for (const std::int64_t piece : plan_pieces(longest(rows))) {
    ADDER_CHECK(look_at(cancel, offset, longest(rows)));
    const std::int64_t position = begin[0] + offset, n = std::min(piece, longest(rows) - offset);
    ADDER_TRY(const auto results, run_piece(rows, {piece, offset}, ExtendSpec::Outputs::all));
    auto next = results.begin();
    for (std::size_t i = 0; i < out.hidden.size(); ++i)
      ADDER_CHECK(
          append_rows(*next++, n, out.hidden[i], fmt::format("hidden.{}", i), position, config.d_model));
    ADDER_CHECK(append_rows(*next++, n, out.final_hidden, "final_hidden", position, config.d_model));
    ADDER_CHECK(append_rows(*next++, n, out.logits, "logits", position, config.vocab_size));
    offset += piece;
  }
  return out;
}

}  // namespace adder::engine
