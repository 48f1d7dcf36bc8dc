#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>

#include "base/mapped_file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/console.h"
#include "engine/session.h"
#include "tokenizer/tokenizer.h"

namespace adder::cli {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  ConsoleOptions console;
  std::filesystem::path file, tokenizer;
  std::int64_t context = 0;
  bool json = false;
};

struct Score {
  double nll = 0;  ///< nats, summed
  std::int64_t tokens = 0;
  double seconds = 0;
};

/// What every window starts from and does not predict: the model's beginning or end of text.
Result<std::int32_t> first_token(const checkpoint::ModelConfig& config) {
  if (config.bos_token_id) return static_cast<std::int32_t>(*config.bos_token_id);
  if (!config.eos_token_ids.empty()) return static_cast<std::int32_t>(config.eos_token_ids.front());
  return fail(ErrorCode::unsupported, "the model's config names neither bos_token_id nor eos_token_id",
              "add bos_token_id to config.json: a text is scored from it on");
}

/// Every token of `ids` predicted; `context` 0 carries one state through, else each window starts afresh.
Result<Score> score(const engine::Engine& engine, const std::vector<std::int32_t>& ids, std::int32_t first,
                    std::int64_t context) {
  constexpr std::int64_t kPiece = 2048;  // the longest of the ladder: bounds memory
  const auto start = std::chrono::steady_clock::now();
  const auto total = static_cast<std::int64_t>(ids.size());
  const std::int64_t window = context > 0 ? context : total;
  Score out{.nll = 0, .tokens = total, .seconds = 0};
  std::optional<engine::Session> session;
  for (std::int64_t at = 0; at < total;) {
    const std::int64_t in_window = at % window;
    if (in_window == 0) {
      ADDER_TRY(engine::State zero, engine.zero_state());
      session.emplace(engine, std::move(zero));
    }
    const std::int64_t n = std::min({kPiece, total - at, window - in_window});
    std::vector<std::int32_t> piece{in_window == 0 ? first : ids[static_cast<std::size_t>(at - 1)]};
    piece.insert(piece.end(), ids.begin() + at, ids.begin() + at + n);
    ADDER_TRY(const std::vector<float> logprobs, session->score(piece));
    for (const float p : logprobs) out.nll -= p;
    at += n;
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Result<ExitCode> run(const PerplexityOptions& o) {
  Console console(o.console);
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  ADDER_TRY(const tokenizer::Tokenizer tokenizer,
            tokenizer::Tokenizer::open(o.tokenizer.empty() ? engine.checkpoint().directory() : o.tokenizer));
  ADDER_TRY(const MappedFile file, MappedFile::open(o.file));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  ADDER_TRY(const std::vector<std::int32_t> ids, tokenizer.encode(text, tokenizer::AddSpecial::no));
  if (ids.empty()) return fail(ErrorCode::invalid_argument, o.file.string() + ": there is no text to score");
  ADDER_TRY(const std::int32_t first, first_token(engine.checkpoint().config()));
  ADDER_CHECK(engine.load());
  ADDER_TRY(const Score s, score(engine, ids, first, o.context));
  const double nll = s.nll / static_cast<double>(s.tokens), speed = static_cast<double>(s.tokens) / s.seconds;
  if (o.json) {
    const OrderedJson result{
        {"perplexity", std::exp(nll)}, {"nll", nll}, {"tokens", s.tokens}, {"tokens_per_s", speed}};
    ADDER_CHECK(print(json_line(result)));
  } else {
    ADDER_CHECK(print(
        fmt::format("perplexity {:.4f}, {:.5f} nats a token, {} tokens\n", std::exp(nll), nll, s.tokens)));
    console.note(fmt::format("{:.0f} tok/s", speed));
  }
  return ExitCode::done;
}

}  // namespace

Command declare_perplexity(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("perplexity", "score a text: how well the model predicts it");
  const auto o = std::make_shared<PerplexityOptions>();
  add_model_options(app, o->model);
  app.add_option("-f,--file", o->file, "the text, UTF-8")->required()->type_name("FILE");
  app.add_option(
         "--context", o->context,
         "score windows of T tokens, each from a fresh state (default: one state through the whole text)")
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("T");
  app.add_option("--tokenizer", o->tokenizer, "tokenizer.json to use instead of the model's")
      ->type_name("PATH");
  app.add_flag("--json", o->json, "print one JSON object");
  add_console_options(app, o->console);
  return {&app, {}, [o] { return run(*o); }};
}

}  // namespace adder::cli
