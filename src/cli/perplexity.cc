#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/model_tokenizer.h"
#include "cli/text_input.h"
#include "cli/token_list.h"
#include "engine/session.h"
#include "tokenizer/tokenizer.h"

namespace adder::cli {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  ConsoleOptions console;
  std::filesystem::path file;
  std::string tokenizer;
  std::int64_t context = 0;
  bool json = false;
};

/// What has been scored so far: log probabilities in nats, negated.
class Score {
 public:
  void add(const std::vector<float>& logprobs) {
    for (const float p : logprobs) {
      sum_ -= p;
      squares_ += static_cast<double>(p) * p;
    }
    tokens_ += static_cast<std::int64_t>(logprobs.size());
  }
  std::int64_t tokens() const { return tokens_; }
  double nll() const { return sum_ / n(); }
  double perplexity() const { return std::exp(nll()); }
  /// The standard error of perplexity(), as llama.cpp gives it: that of the mean of the tokens' nll, carried
  /// through exp. 0 for one token.
  double error() const {
    if (tokens_ < 2) return 0;
    const double variance = std::max(squares_ / n() - nll() * nll(), 0.0);
    return perplexity() * std::sqrt(variance / (n() - 1));
  }

 private:
  double n() const { return static_cast<double>(tokens_); }
  double sum_ = 0, squares_ = 0;
  std::int64_t tokens_ = 0;
};

/// What every window starts from and does not predict: the model's beginning or end of text, or the token
/// that its tokenizer calls so.
Result<std::int32_t> start_token(const checkpoint::Checkpoint& model, const tokenizer::Tokenizer& tokenizer) {
  if (const auto bos = first_token(model)) return *bos;
  for (const auto* list : {&model.config().eos_token_ids, &model.generation_defaults().eos_token_ids})
    if (!list->empty()) return static_cast<std::int32_t>(list->front());
  for (const char* text : {"<s>", "<|begin_of_text|>", "<|endoftext|>"})
    if (const auto id = tokenizer.token_id(text)) return *id;
  return fail(ErrorCode::unsupported, "the model's config names neither bos_token_id nor eos_token_id",
              "add bos_token_id to config.json: a text is scored from it on");
}

/// Every token of `ids` predicted; `context` 0 carries one state through, else each window starts afresh.
/// Calls `done` after every piece. Error cancelled on an interrupt.
Result<Score> score(const engine::Engine& engine, const std::vector<std::int32_t>& ids, std::int32_t first,
                    std::int64_t context, const std::function<void(const Score&)>& done) {
  constexpr std::int64_t kPiece = 2048;  // the longest of the ladder: bounds memory
  const auto total = static_cast<std::int64_t>(ids.size());
  const std::int64_t window = context > 0 ? context : total;
  Score out;
  std::optional<engine::Session> session;
  StepsScope bar(engine.steps(), static_cast<std::uint64_t>(total), "scoring");
  for (std::int64_t at = 0; at < total;) {
    if (interrupted())
      return fail(ErrorCode::cancelled, fmt::format("interrupted after {} of {} tokens", at, total));
    const std::int64_t in_window = at % window;
    if (in_window == 0) {
      ADDER_TRY(engine::State zero, engine.zero_state());
      session.emplace(engine, std::move(zero));
    }
    const std::int64_t n = std::min({kPiece, total - at, window - in_window});
    std::vector<std::int32_t> piece{in_window == 0 ? first : ids[static_cast<std::size_t>(at - 1)]};
    piece.insert(piece.end(), ids.begin() + at, ids.begin() + at + n);
    ADDER_TRY(const std::vector<float> logprobs, session->score(piece));
    out.add(logprobs);
    bar.advance(static_cast<std::uint64_t>(n));
    at += n;
    done(out);
  }
  return out;
}

/// Notes the value so far, no more often than it can be read.
class RunningValue {
 public:
  RunningValue(Console& console, std::int64_t total) : console_(console), total_(total) {}
  void operator()(const Score& s) {
    if (Clock::now() - last_ < std::chrono::seconds(2) || s.tokens() == total_) return;
    last_ = Clock::now();
    console_.note(fmt::format("{} of {} tokens: perplexity {:.4f} ± {:.4f}", s.tokens(), total_,
                              s.perplexity(), s.error()));
  }

 private:
  using Clock = std::chrono::steady_clock;
  Console& console_;
  std::int64_t total_;
  Clock::time_point last_ = Clock::now();
};

Result<ExitCode> run(const PerplexityOptions& o) {
  ADDER_TRY(const std::string text, read_text_file(o.file));
  catch_interrupt();
  Console console(o.console);
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  const checkpoint::Checkpoint& model = engine.checkpoint();
  ADDER_TRY(const ModelTokenizer found,
            need_tokenizer({.name = o.tokenizer, .fetch = fetch_of(o.model)}, model, "", console));
  ADDER_TRY(const std::vector<std::int32_t> encoded, found.tokenizer.encode(text, tokenizer::AddSpecial::no));
  const std::vector<std::int64_t> numbers(encoded.begin(), encoded.end());
  if (numbers.empty())
    return fail(ErrorCode::invalid_argument, o.file.string() + ": there is no text to score");
  ADDER_TRY(const std::vector<std::int32_t> ids, check_token_ids(numbers, engine.config().vocab_size));
  ADDER_TRY(const std::int32_t first, start_token(model, found.tokenizer));
  ADDER_CHECK(engine.load());
  const auto start = std::chrono::steady_clock::now();
  ADDER_TRY(const Score s, score(engine, ids, first, o.context,
                                 RunningValue(console, static_cast<std::int64_t>(ids.size()))));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double speed = static_cast<double>(s.tokens()) / seconds;
  ADDER_CHECK(engine.check_unchanged());
  if (o.json) {
    const OrderedJson result{
        {"perplexity", s.perplexity()}, {"perplexity_error", s.error()}, {"nll", s.nll()},
        {"tokens", s.tokens()},         {"tokens_per_s", speed},         {"dtype", dtype_name(engine)}};
    ADDER_CHECK(print(json_line(result)));
    return ExitCode::done;
  }
  ADDER_CHECK(print(fmt::format("perplexity {:.4f} ± {:.4f}, {:.5f} nats a token, {} tokens\n",
                                s.perplexity(), s.error(), s.nll(), s.tokens())));
  console.note(fmt::format("{:.0f} tok/s, {}", speed, dtype_note(o.model, engine)));
  return ExitCode::done;
}

}  // namespace

Command declare_perplexity(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("perplexity", "score a text: how well the model predicts it");
  const auto o = std::make_shared<PerplexityOptions>();
  add_model_options(app, o->model);
  app.add_option("-f,--file", o->file, "the text, UTF-8; - for standard input")
      ->required()
      ->type_name("FILE");
  app.add_option(
         "-c,--context", o->context,
         "score windows of T tokens, each from a fresh state (default: one state through the whole text)")
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("T");
  add_tokenizer_option(app, o->tokenizer);
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(examples({"adder perplexity models/austen-3.6m -f models/austen-3.6m/heldout.txt",
                       "adder perplexity DIR -f text.txt --context 1024 --json"}));
  return {&app, {}, [o] { return run(*o); }};
}

}  // namespace adder::cli
