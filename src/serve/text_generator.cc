#include "serve/text_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>

#include "base/steps.h"
#include "engine/ladder.h"
#include "engine/platform.h"

namespace adder::serve {

namespace {

double milliseconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

/// Waits until everything enqueued on the session's state has run.
Status wait_for(const engine::State& state) {
  ADDER_TRY(const pjrt::Event done, state.ready());
  return done.wait();
}

/// Text comes in lumps no longer than this, and a request to stop is heard as soon.
constexpr std::chrono::duration<double> kLongestLump{0.25};

engine::GenerationOptions generation_options(const engine::Engine& engine, const TextOptions& options) {
  constexpr std::chrono::duration<double> kAny{std::numeric_limits<double>::infinity()};
  const std::int64_t usual = engine::platform_policy(engine.client().platform_name()).block;
  return {.sampling = {options.sampling},
          .stop_ids = options.eos_ids,
          .max_tokens = {std::min(options.max_tokens, kUnlimited)},
          .block = options.block.value_or(usual),
          .longest_call = options.block ? kAny : kLongestLump};
}

}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "?";
}

ProgramPlan plan_generation(const engine::Engine& engine, std::int64_t prompt_tokens,
                            const TextOptions& options) {
  ProgramPlan plan;
  plan.add_extend(std::max<std::int64_t>(prompt_tokens - 1, 0), engine::ExtendSpec::Outputs::state);
  plan.decode = engine::decode_spec(engine, generation_options(engine, options));
  return plan;
}

namespace {

/// Takes in all of the prompt that comes before the first step, and says how far it has come. In the largest
/// pieces there are, which are those that one call would make of it.
Status absorb(engine::Session& session, std::span<const std::int32_t> prompt,
              const std::atomic<bool>* cancel) {
  if (prompt.empty()) return {};
  constexpr std::size_t kPiece = *std::prev(std::end(engine::kLadder));
  StepsScope bar(session.engine().steps(), prompt.size(), "reading the prompt");
  for (std::size_t done = 0; done < prompt.size(); done += kPiece) {
    const auto piece = prompt.subspan(done, std::min(kPiece, prompt.size() - done));
    const std::vector<std::vector<std::int32_t>> rows{{piece.begin(), piece.end()}};
    Status extended = session.extend(rows, cancel);
    if (!extended && extended.error().code == ErrorCode::cancelled)
      return fail(ErrorCode::cancelled,
                  fmt::format("interrupted after about {} of {} tokens of the prompt", done, prompt.size()));
    ADDER_CHECK(extended);
    ADDER_CHECK(wait_for(session.state()));
    bar.advance(piece.size());
  }
  return {};
}

}  // namespace

Result<TextGenerator> TextGenerator::start(engine::Session& session, const tokenizer::Tokenizer* tokenizer,
                                           std::vector<std::int32_t> prompt, TextOptions options,
                                           const std::atomic<bool>* cancel) {
  if (prompt.empty())
    return fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least one token",
                "a state space model continues a text; give it one token to begin with");
  if (!tokenizer && !options.stops.empty())
    return fail(ErrorCode::invalid_argument, "stop strings need a tokenizer, and this model has none");
  ADDER_TRY(tokenizer::StopMatcher matcher, tokenizer::StopMatcher::create(options.stops));

  const auto begin = Clock::now();
  ADDER_CHECK(absorb(session, std::span(prompt).first(prompt.size() - 1), cancel));
  const auto absorbed_at = Clock::now();

  const engine::GenerationOptions settings = generation_options(session.engine(), options);
  const std::vector<std::vector<std::int32_t>> prompts{std::move(prompt)};
  ADDER_TRY(engine::Generation generation, engine::Generation::start(session, prompts, settings));
  TextGenerator out(std::move(generation), std::move(matcher), std::move(options), cancel);
  if (tokenizer) {
    out.decoder_.emplace(*tokenizer);
    ADDER_CHECK(out.decoder_->prime(prompts.front()));
  }
  out.timings_.prompt_n = static_cast<std::int64_t>(prompts.front().size());
  out.timings_.prompt_ms = milliseconds(absorbed_at - begin);
  out.decode_start_ = absorbed_at;
  return out;
}

Status TextGenerator::take(std::int32_t id, TextEvent& event) {
  if (std::find(options_.eos_ids.begin(), options_.eos_ids.end(), id) != options_.eos_ids.end()) {
    finish_ = FinishReason::stop;
    return {};
  }
  event.ids.push_back(id);
  if (!decoder_) return {};
  ADDER_TRY(const std::string piece, decoder_->push(id));
  tokenizer::StopMatcher::Step step = matcher_.feed(piece);
  event.text += step.emit;
  if (step.stopped) {
    stopped_by_text_ = true;
    finish_ = FinishReason::stop;
  }
  return {};
}

Status TextGenerator::close_text(TextEvent& event) {
  if (!decoder_ || stopped_by_text_) return {};
  ADDER_TRY(const std::string rest, decoder_->finish());
  const tokenizer::StopMatcher::Step step = matcher_.feed(rest);
  event.text += step.emit;
  if (!step.stopped) event.text += matcher_.finish();
  return {};
}

Result<std::optional<TextEvent>> TextGenerator::next() {
  if (finish_) return std::nullopt;
  TextEvent event;
  if (cancel_ && cancel_->load(std::memory_order_relaxed)) {
    finish_ = FinishReason::cancelled;
  } else {
    ADDER_TRY(const std::optional<engine::TokenBlock> block, generation_.next());
    if (block) {
      for (const std::int32_t id : block->tokens.front()) {
        ADDER_CHECK(take(id, event));
        if (finish_) break;
      }
    }
    if (!finish_ && generation_.finished()) finish_ = FinishReason::length;
    timings_.predicted_ms = milliseconds(Clock::now() - decode_start_);
  }
  if (finish_) ADDER_CHECK(close_text(event));
  ids_.insert(ids_.end(), event.ids.begin(), event.ids.end());
  text_ += event.text;
  timings_.predicted_n = static_cast<std::int64_t>(ids_.size());
  return event;
}

}  // namespace adder::serve
