#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "serve/start_up.h"
#include "tokenizer/stop_matcher.h"
#include "tokenizer/stream_decoder.h"

namespace adder::serve {

/// How one text is to be generated. A plain value.
struct TextOptions {
  SamplingOptions sampling;
  std::vector<std::int32_t>
      eos_ids;  ///< at most engine::kStopIds; any of them ends the text and is not part of it
  std::vector<std::string> stops;  ///< stop strings, not part of the text; they need a tokenizer
  std::int64_t max_tokens = 128;   ///< >= 0; kUnlimited for no limit
  /// Decode steps in one device call, which gives one event. Unset: as many as take a quarter of a second at
  /// most, by what they were measured to take.
  std::optional<std::int64_t> block = {};
};
constexpr std::int64_t kUnlimited = 0x7fffffff;

/// What absorbing a prompt of `prompt_tokens` and generating with `options` will run.
ProgramPlan plan_generation(const engine::Engine& engine, std::int64_t prompt_tokens,
                            const TextOptions& options);

enum class FinishReason {
  stop,       ///< an end-of-text token or a stop string
  length,     ///< max_tokens
  cancelled,  ///< on request
};
std::string_view name(FinishReason reason);  ///< "stop", "length", "cancelled"

/// What one device call added. Text may lag behind the ids: an unfinished UTF-8 character and what could be
/// the beginning of a stop string are held back.
struct TextEvent {
  std::vector<std::int32_t> ids;
  std::string text;  ///< whole UTF-8 characters; empty without a tokenizer
};

struct GenerationTimings {
  std::int64_t prompt_n = 0;     ///< tokens of the prompt
  double prompt_ms = 0;          ///< absorbing all of them but the last, which the first decode step absorbs
  std::int64_t predicted_n = 0;  ///< tokens in ids()
  double predicted_ms = 0;
};

/// One text being generated on a session, pulled event by event. Works without a tokenizer (ids only).
/// Thread rule: one thread at a time. It borrows the session, which must not be used or moved meanwhile and
/// whose state has run ahead of ids() when a stop string, an end-of-text token or a cancellation ended the
/// text.
class TextGenerator {
 public:
  /// Absorbs the prompt and waits for that. `tokenizer` may be null; otherwise it must outlive the generator.
  /// `cancel`, if given, is looked at between pieces of the prompt, where it makes an error cancelled, and
  /// between blocks, where it ends the text. Errors: those of Session::extend and Generation::start;
  /// invalid_argument for an empty prompt, or stop strings without a tokenizer.
  static Result<TextGenerator> start(engine::Session& session, const tokenizer::Tokenizer* tokenizer,
                                     std::vector<std::int32_t> prompt, TextOptions options,
                                     const std::atomic<bool>* cancel = nullptr);

  /// The next event; nullopt once the text has ended. The last event carries whatever was held back. Errors:
  /// those of Generation::next.
  Result<std::optional<TextEvent>> next();

  /// Set once the text has ended.
  std::optional<FinishReason> finish_reason() const { return finish_; }
  /// Everything generated so far: without the end-of-text token, and with the token that completed a stop
  /// string.
  const std::vector<std::int32_t>& ids() const { return ids_; }
  const std::string& text() const { return text_; }
  const GenerationTimings& timings() const { return timings_; }

 private:
  using Clock = std::chrono::steady_clock;
  TextGenerator(engine::Generation generation, tokenizer::StopMatcher matcher, TextOptions options,
                const std::atomic<bool>* cancel)
      : generation_(std::move(generation)),
        matcher_(std::move(matcher)),
        options_(std::move(options)),
        cancel_(cancel) {}
  Status take(std::int32_t id, TextEvent& event);
  Status close_text(TextEvent& event);

  engine::Generation generation_;
  std::optional<tokenizer::StreamDecoder> decoder_;
  tokenizer::StopMatcher matcher_;
  TextOptions options_;
  const std::atomic<bool>* cancel_;
  std::vector<std::int32_t> ids_;
  std::string text_;
  std::optional<FinishReason> finish_;
  bool stopped_by_text_ = false;
  GenerationTimings timings_;
  Clock::time_point decode_start_;
};

}  // namespace adder::serve
