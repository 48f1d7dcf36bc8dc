#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/ladder.h"

namespace adder::engine {

namespace {

std::int64_t longest(std::span<const std::vector<std::int32_t>> rows) {
  std::size_t n = 0;
  for (const auto& row : rows) n = std::max(n, row.size());
  return static_cast<std::int64_t>(n);
}

/// Copies the first n of the padded rows of a [1,T,W] buffer to the end of `out`.
Status append_rows(const pjrt::Buffer& buffer, std::int64_t n, std::vector<float>& out) {
  ADDER_TRY(const auto host, buffer.to_host<float>());
  out.insert(out.end(), host.begin(), host.begin() + n * buffer.shape().dims.back());
  return {};
}

}  // namespace

Status Session::check_tokens(std::span<const std::vector<std::int32_t>> rows) const {
  if (static_cast<std::int64_t>(rows.size()) != state_.batch())
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} rows of tokens for a batch of {}", rows.size(), state_.batch()));
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
  const std::int64_t batch = state_.batch();
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
  const auto push = [&](const std::string&, const pjrt::Buffer& b) { arguments.push_back(&b); };
  model::visit(push, engine_.weights());
  model::visit_state(push, state_.layers);
  arguments.insert(arguments.end(), {&token_buffer, &length_buffer});
  pjrt::Buffer target_buffer;
  if (outputs == ExtendSpec::Outputs::scores) {
    ADDER_TRY(target_buffer,
              client.to_device(targets.data(), Shape{DType::s32, {batch, piece.tokens}}, engine_.device()));
    arguments.push_back(&target_buffer);
  }
  ADDER_TRY(std::vector<pjrt::Buffer> results, program->executable.execute(arguments));

  auto next = results.begin();
  model::visit_state([&](const std::string&, pjrt::Buffer& b) { b = std::move(*next++); }, state_.layers);
  for (std::int64_t b = 0; b < batch; ++b)
    state_.positions[static_cast<std::size_t>(b)] += lengths[static_cast<std::size_t>(b)];
  results.erase(results.begin(), next);
  return results;
}

Status Session::extend(std::span<const std::vector<std::int32_t>> rows) {
  ADDER_CHECK(check_tokens(rows));
  std::int64_t offset = 0;
  for (const std::int64_t piece : plan_pieces(longest(rows))) {
    ADDER_CHECK(run_piece(rows, {piece, offset}, ExtendSpec::Outputs::state));
    offset += piece;
  }
  return {};
}

Result<pjrt::Buffer> Session::extend_logits(std::span<const std::vector<std::int32_t>> rows) {
  ADDER_CHECK(check_tokens(rows));
  const std::int64_t tokens = longest(rows);
  for (const auto& row : rows)
    if (static_cast<std::int64_t>(row.size()) != tokens || tokens == 0)
      return fail(ErrorCode::invalid_argument, "extend_logits takes rows of one length, at least 1");
  std::int64_t offset = 0;
  const std::vector<std::int64_t> pieces = plan_pieces(tokens);
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
    ADDER_CHECK(run_piece(rows, {pieces[i], offset}, ExtendSpec::Outputs::state));
    offset += pieces[i];
  }
  ADDER_TRY(auto results, run_piece(rows, {pieces.back(), offset}, ExtendSpec::Outputs::last));
  return std::move(results.front());
}

Result<std::vector<float>> Session::score(std::span<const std::int32_t> tokens) {
  if (tokens.size() < 2) return fail(ErrorCode::invalid_argument, "score takes at least two tokens");
  const std::vector<std::vector<std::int32_t>> rows{{tokens.begin(), tokens.end() - 1}};
  ADDER_CHECK(check_tokens(rows));
  ADDER_CHECK(check_tokens(std::vector<std::vector<std::int32_t>>{{tokens.back()}}));
  std::vector<float> out;
  std::int64_t offset = 0;
  for (const std::int64_t piece : plan_pieces(longest(rows))) {
    const std::int64_t n = std::min(piece, longest(rows) - offset);
    std::vector<std::int32_t> targets(static_cast<std::size_t>(piece), 0);
    std::copy_n(tokens.begin() + offset + 1, n, targets.begin());
    ADDER_TRY(const auto results, run_piece(rows, {piece, offset}, ExtendSpec::Outputs::scores, targets));
    ADDER_TRY(const auto logprobs, results.front().to_host<float>());
    out.insert(out.end(), logprobs.begin(), logprobs.begin() + n);
    offset += piece;
  }
  return out;
}

Result<AllOutputs> Session::extend_all(std::span<const std::int32_t> tokens) {
  const std::vector<std::vector<std::int32_t>> rows{{tokens.begin(), tokens.end()}};
  ADDER_CHECK(check_tokens(rows));
  AllOutputs out;
  out.hidden.resize(static_cast<std::size_t>(engine_.config().n_layer) + 1);
  std::int64_t offset = 0;
  for (const std::int64_t piece : plan_pieces(longest(rows))) {
    ADDER_TRY(const auto results, run_piece(rows, {piece, offset}, ExtendSpec::Outputs::all));
    const std::int64_t n = std::min(piece, longest(rows) - offset);
    auto next = results.begin();
    for (auto& hidden : out.hidden) ADDER_CHECK(append_rows(*next++, n, hidden));
    ADDER_CHECK(append_rows(*next++, n, out.final_hidden));
    ADDER_CHECK(append_rows(*next++, n, out.logits));
    offset += piece;
  }
  return out;
}

}  // namespace adder::engine
