#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <random>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/model_tokenizer.h"
#include "cli/text_input.h"
#include "cli/token_list.h"
#include "serve/text_generator.h"

namespace adder::cli {
namespace {

constexpr std::int64_t kDefaultTokens = 128;

struct PromptOptions {
  std::optional<std::string> text, file, ids;  // at most one; none: standard input
  std::string tokenizer;
  bool hide = false, escape = false;
};

/// What the user asked for; unset means the model's own suggestion, or else Adder's default.
struct SamplingFlags {
  std::optional<double> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<std::int64_t> top_k;
  std::int64_t seed = -1;
};

struct LengthOptions {
  std::optional<std::int64_t> predict, block;
  std::vector<std::string> stops;
  bool ignore_eos = false;
};

struct GenerateOptions {
  ModelOptions model;
  ConsoleOptions console;
  PromptOptions prompt;
  SamplingFlags sampling;
  LengthOptions length;
  bool json = false;
};

void add_prompt_options(CLI::App& app, PromptOptions& o) {
  app.add_option("-p,--prompt", o.text, "the text to continue")->type_name("TEXT");
  app.add_option(
         "-f,--file", o.file,
         "a file holding the text to continue, without one newline at its end; - for standard input, which "
         "is also read where nothing else is given")
      ->type_name("FILE");
  app.add_option("--ids", o.ids, "the token ids to continue; needs no tokenizer")
      ->type_name("1,2,3")
      ->group(kPromptGroup);
  app.add_flag("-e,--escape", o.escape,
               "\\n, \\t, \\\\, \\xHH, ... in the prompt and in --stop are what they stand for")
      ->group(kPromptGroup);
  add_tokenizer_option(app, o.tokenizer);
  app.add_flag("--no-display-prompt", o.hide, "print only what is generated")->group(kOutputGroup);
}

void add_sampling_options(CLI::App& app, SamplingFlags& o) {
  const std::string note = " (default: the model's generation_config.json, else {})";
  const auto help = [&](std::string_view what, auto value) {
    return std::string(what) + fmt::format(fmt::runtime(note), value);
  };
  const SamplingOptions d;
  app.add_option("--temp", o.temperature, help("temperature; 0 is greedy", d.temperature))->type_name("X");
  app.add_option("--top-k", o.top_k, help("keep the K likeliest tokens; 0 keeps all", d.top_k))
      ->type_name("K")
      ->group(kSamplingGroup);
  app.add_option("--top-p", o.top_p, help("keep the likeliest tokens of this total probability", d.top_p))
      ->type_name("P")
      ->group(kSamplingGroup);
  app.add_option("--min-p", o.min_p, help("drop tokens less likely than P times the likeliest", d.min_p))
      ->type_name("P")
      ->group(kSamplingGroup);
  app.add_option("--repeat-penalty", o.repetition_penalty,
                 help("makes tokens seen before less likely; 1 is off", d.repetition_penalty))
      ->type_name("X")
      ->group(kSamplingGroup);
  app.add_option("--presence-penalty", o.presence_penalty, "subtracted once from logits of generated tokens")
      ->type_name("X")
      ->group(kSamplingGroup);
  app.add_option("--frequency-penalty", o.frequency_penalty, "subtracted from logits for each time generated")
      ->type_name("X")
      ->group(kSamplingGroup);
  app.add_option("-s,--seed", o.seed, "same seed, same text; -1 draws one")
      ->check(CLI::Range(std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N")
      ->capture_default_str();
}

void add_length_options(CLI::App& app, LengthOptions& o) {
  app.add_option("-n,--predict", o.predict,
                 fmt::format("how many tokens at most; -1 for no limit (default: the model's, else {})",
                             kDefaultTokens))
      ->check(CLI::Range(std::int64_t{-1}, serve::kUnlimited))
      ->type_name("N");
  app.add_option(
         "--block", o.block,
         "tokens in one device call (default: what takes a quarter of a second, at most 64, 16 off the CPU)")
      ->check(CLI::Range(1, 4096))
      ->type_name("S")
      ->group(kLengthGroup);
  app.add_option("--stop", o.stops, "end before this text; may be repeated")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group(kLengthGroup);
  app.add_flag("--ignore-eos", o.ignore_eos,
               "go on after the end-of-text token (as always where the model has no tokenizer)")
      ->group(kLengthGroup);
}

template <class T>
T first_of(const std::optional<T>& flag, const std::optional<T>& model, T otherwise) {
  return flag ? *flag : model.value_or(otherwise);
}

SamplingOptions resolve(const SamplingFlags& flags, const checkpoint::GenerationDefaults& model) {
  SamplingOptions out;
  const double own_temperature = model.do_sample == false ? 0.0 : model.temperature.value_or(out.temperature);
  out.temperature = flags.temperature.value_or(own_temperature);
  out.top_k = first_of(flags.top_k, model.top_k, out.top_k);
  out.top_p = first_of(flags.top_p, model.top_p, out.top_p);
  out.min_p = first_of(flags.min_p, model.min_p, out.min_p);
  out.repetition_penalty =
      first_of(flags.repetition_penalty, model.repetition_penalty, out.repetition_penalty);
  out.presence_penalty = flags.presence_penalty.value_or(out.presence_penalty);
  out.frequency_penalty = flags.frequency_penalty.value_or(out.frequency_penalty);
  // 32 random bits, so that the seed survives JSON readers that keep numbers as doubles.
  out.seed = flags.seed < 0 ? std::random_device()() : static_cast<std::uint64_t>(flags.seed);
  return out;
}

std::vector<std::int32_t> eos_ids(const checkpoint::Checkpoint& checkpoint, LogSink& log) {
  std::vector<std::int32_t> out;
  for (const auto* list :
       {&checkpoint.config().eos_token_ids, &checkpoint.generation_defaults().eos_token_ids})
    for (const std::int64_t id : *list)
      if (std::find(out.begin(), out.end(), id) == out.end()) out.push_back(static_cast<std::int32_t>(id));
  if (out.size() > static_cast<std::size_t>(engine::kStopIds)) {
    adder::log(log, LogLevel::warn, "the model names {} end-of-text tokens; only the first {} are heeded",
               out.size(), engine::kStopIds);
    out.resize(static_cast<std::size_t>(engine::kStopIds));
  }
  return out;
}

/// The flags were looked at before (check), so that what is wrong now the model's file says.
Status check_suggestions(const SamplingOptions& sampling, const checkpoint::Checkpoint& checkpoint) {
  Status valid = engine::validate(sampling);
  if (valid) return valid;
  Error error = std::move(valid).error();
  const std::filesystem::path file = checkpoint.directory() / "generation_config.json";
  return fail(ErrorCode::corrupt, fmt::format("{}: {}", file.string(), error.message),
              "say what you want instead with a flag, such as --temp 0 or --top-p 1");
}

/// Without a tokenizer there is no text to end: ids go in, exactly -n ids come out.
serve::TextOptions text_options(const GenerateOptions& o, const checkpoint::Checkpoint& checkpoint,
                                bool has_tokenizer, LogSink& log) {
  const checkpoint::GenerationDefaults& own = checkpoint.generation_defaults();
  serve::TextOptions out;
  out.sampling = resolve(o.sampling, own);
  if (has_tokenizer && !o.length.ignore_eos) out.eos_ids = eos_ids(checkpoint, log);
  for (const std::string& stop : o.length.stops) out.stops.push_back(o.prompt.escape ? unescape(stop) : stop);
  const std::int64_t tokens = first_of(o.length.predict, own.max_new_tokens, kDefaultTokens);
  out.max_tokens = tokens < 0 ? serve::kUnlimited : tokens;
  out.block = o.length.block;
  return out;
}

/// Ids need no tokenizer, so one that cannot be used is none.
Result<std::optional<tokenizer::Tokenizer>> open_tokenizer(const GenerateOptions& o,
                                                           const checkpoint::Checkpoint& checkpoint,
                                                           Console& console) {
  const TokenizerSearch search{
      .name = o.prompt.tokenizer, .fetch = fetch_of(o.model), .hub = !o.prompt.ids.has_value()};
  if (!o.prompt.ids) {
    ADDER_TRY(ModelTokenizer found,
              need_tokenizer(search, checkpoint, ", or give the prompt as token ids with --ids", console));
    return std::optional(std::move(found.tokenizer));
  }
  auto found = find_tokenizer(search, checkpoint, console);
  if (!found && search.name.empty() && found.error().code == ErrorCode::unsupported) {
    console.log(LogLevel::warn, "ids only, no text: " + found.error().message);
    return std::nullopt;
  }
  if (!found) return fail(std::move(found).error());
  if (!*found) return std::nullopt;
  return std::optional(std::move((*found)->tokenizer));
}

struct Prompt {
  std::vector<std::int32_t> ids;
  std::string text;  ///< as given, or decoded
};

/// The text to continue, before anything slow happens. Precondition: no --ids.
Result<std::string> read_text(const PromptOptions& o) {
  std::string text = o.text.value_or("");
  if (!o.text) {
    ADDER_TRY(text, read_prompt_file(o.file.value_or("-")));
  }
  return o.escape ? unescape(text) : text;
}

/// An empty text begins where the model's texts begin, if it says where.
Result<Prompt> tokenize(const PromptOptions& o, std::string text, const tokenizer::Tokenizer* tokenizer,
                        const checkpoint::Checkpoint& checkpoint, std::int64_t vocab_size) {
  Prompt out{.ids = {}, .text = std::move(text)};
  std::vector<std::int64_t> numbers;
  if (o.ids) {
    ADDER_TRY(numbers, parse_numbers(*o.ids, "--ids"));
  } else {
    ADDER_TRY(const std::vector<std::int32_t> ids, tokenizer->encode(out.text));
    numbers.assign(ids.begin(), ids.end());
    const std::optional<std::int32_t> first = first_token(checkpoint);
    if (numbers.empty() && first) numbers.push_back(*first);
  }
  ADDER_TRY(out.ids, check_token_ids(numbers, vocab_size));
  if (o.ids && tokenizer) {
    ADDER_TRY(out.text, tokenizer->decode(out.ids));
  }
  return out;
}

/// Prints text, or ids where there is no text, as they come.
class Stream {
 public:
  explicit Stream(bool has_text) : has_text_(has_text) {}
  Status write(const serve::TextEvent& event) {
    if (has_text_) return event.text.empty() ? Status() : print(event.text);
    std::string out;
    for (const std::int32_t id : event.ids)
      out += fmt::format("{}{}", std::exchange(first_, false) ? "" : " ", id);
    return out.empty() ? Status() : print(out);
  }

 private:
  bool has_text_, first_ = true;
};

std::string per_second(double tokens, double ms) {
  return ms > 0 && tokens > 0 ? fmt::format("{:.1f} tok/s", tokens * 1000 / ms) : "-";
}

struct Outcome {
  std::vector<std::int32_t> prompt_ids;
  serve::StartUpTimes start_up;
  std::optional<std::uint64_t> seed;  ///< none where it decided nothing
};

void note_timings(Console& console, const GenerateOptions& o, const engine::Engine& engine,
                  const Outcome& outcome, const serve::GenerationTimings& t) {
  const std::string seed = outcome.seed ? fmt::format(" | seed {}", *outcome.seed) : "";
  const double tune_ms = outcome.start_up.tune_ms;
  const std::string tuned =
      tune_ms < 50 ? "" : fmt::format("autotune {:.0f} ms | ", tune_ms);  // else remembered
  console.note(
      tuned +
      fmt::format("load {:.0f} ms | compile {:.0f} ms | prompt {} tokens, {} | decode {} tokens, {} | {} {} "
                  "(API {}), {}{}",
                  outcome.start_up.load_ms, outcome.start_up.compile_ms, t.prompt_n,
                  per_second(static_cast<double>(t.prompt_n - 1), t.prompt_ms), t.predicted_n,
                  per_second(static_cast<double>(t.predicted_n), t.predicted_ms),
                  engine.client().platform_name(), engine.client().plugin().path().filename().string(),
                  to_string(engine.client().plugin().api_version()), dtype_note(o.model, engine), seed));
}

OrderedJson to_json(const engine::Engine& engine, const Outcome& outcome,
                    const serve::TextGenerator& generator, bool has_text) {
  const serve::GenerationTimings& t = generator.timings();
  return {{"prompt_ids", outcome.prompt_ids},
          {"ids", generator.ids()},
          {"text", has_text ? OrderedJson(generator.text()) : OrderedJson()},
          {"finish_reason", name(generator.finish_reason().value_or(serve::FinishReason::cancelled))},
          {"seed", outcome.seed ? OrderedJson(*outcome.seed) : OrderedJson()},
          {"timings",
           {{"tune_ms", outcome.start_up.tune_ms},
            {"load_ms", outcome.start_up.load_ms},
            {"compile_ms", outcome.start_up.compile_ms},
            {"prompt_n", t.prompt_n},
            {"prompt_ms", t.prompt_ms},
            {"predicted_n", t.predicted_n},
            {"predicted_ms", t.predicted_ms}}},
          {"device",
           {{"plugin", engine.client().plugin().path().string()},
            {"platform", engine.client().platform_name()},
            {"api_version", to_string(engine.client().plugin().api_version())}}}};
}

/// A message of engine::validate() with the flag that set the field.
std::string by_flag(std::string message) {
  static constexpr std::pair<std::string_view, std::string_view> kFlags[] = {
      {"temperature", "--temp"},
      {"top_k", "--top-k"},
      {"top_p", "--top-p"},
      {"min_p", "--min-p"},
      {"repetition_penalty", "--repeat-penalty"},
      {"presence_penalty", "--presence-penalty"},
      {"frequency_penalty", "--frequency-penalty"}};
  for (const auto& [field, flag] : kFlags)
    if (message.starts_with(field)) return message.replace(0, field.size(), flag);
  return message;
}

Status check(const GenerateOptions& o) {
  const auto usage = [](std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message));
  };
  const int prompts = o.prompt.text.has_value() + o.prompt.file.has_value() + o.prompt.ids.has_value();
  if (prompts > 1 || (prompts == 0 && !stdin_holds_text()))
    return usage("give exactly one of -p/--prompt, -f/--file and --ids, or a text at standard input");
  if (o.prompt.ids) ADDER_CHECK(parse_numbers(*o.prompt.ids, "--ids"));
  for (const std::string& stop : o.length.stops)
    if (stop.empty()) return usage("--stop: the text is empty");
  if (Status valid = engine::validate(resolve(o.sampling, {})); !valid) {
    Error error = std::move(valid).error();
    return fail(error.code, by_flag(std::move(error.message)), error.hint);
  }
  return {};
}

Result<ExitCode> run(const GenerateOptions& o) {
  std::string text;
  if (!o.prompt.ids) {
    ADDER_TRY(text, read_text(o.prompt));  // before catch_interrupt(): Ctrl-C ends a wait for a pipe
  }
  if (text.empty() && !o.prompt.text && !o.prompt.file && !o.prompt.ids) {
    print_error(
        {ErrorCode::invalid_argument,
         "there is no prompt: give exactly one of -p/--prompt, -f/--file and --ids; standard input is empty",
         "see `adder generate --help`"});
    return ExitCode::usage;
  }
  catch_interrupt();
  Console console(o.console);
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  const checkpoint::Checkpoint& checkpoint = engine.checkpoint();
  ADDER_TRY(const std::optional<tokenizer::Tokenizer> own, open_tokenizer(o, checkpoint, console));
  const tokenizer::Tokenizer* tokenizer = own ? &*own : nullptr;
  ADDER_TRY(const Prompt prompt,
            tokenize(o.prompt, std::move(text), tokenizer, checkpoint, engine.config().vocab_size));
  if (!tokenizer && !o.length.stops.empty())
    return fail(ErrorCode::invalid_argument, "--stop needs a tokenizer, and this model has none",
                "name one with --tokenizer");
  const serve::TextOptions options = text_options(o, checkpoint, tokenizer != nullptr, console);
  ADDER_CHECK(check_suggestions(options.sampling, checkpoint));

  Outcome outcome{.prompt_ids = prompt.ids, .start_up = {}, .seed = {}};
  if (!options.sampling.greedy()) outcome.seed = options.sampling.seed;
  const auto plan = serve::plan_generation(engine, static_cast<std::int64_t>(prompt.ids.size()), options);
  ADDER_TRY(outcome.start_up, serve::start_up(engine, plan));
  ADDER_TRY(engine::State state, engine.zero_state());
  engine::Session session(engine, std::move(state));
  ADDER_TRY(auto generator,
            serve::TextGenerator::start(session, tokenizer, prompt.ids, options, &interrupted()));

  Stream stream(tokenizer != nullptr);
  if (!o.json && !o.prompt.hide && tokenizer) ADDER_CHECK(print(prompt.text));
  while (true) {
    ADDER_TRY(const std::optional<serve::TextEvent> event, generator.next());
    if (!event) break;
    if (!o.json) ADDER_CHECK(stream.write(*event));
  }
  ADDER_CHECK(engine.check_unchanged());
  ADDER_CHECK(print(o.json ? json_line(to_json(engine, outcome, generator, tokenizer != nullptr)) : "\n"));
  note_timings(console, o, engine, outcome, generator.timings());
  return generator.finish_reason() == serve::FinishReason::cancelled ? ExitCode::interrupted : ExitCode::done;
}

}  // namespace

Command declare_generate(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("generate", "continue a text");
  const auto options = std::make_shared<GenerateOptions>();
  add_model_options(app, options->model);
  add_prompt_options(app, options->prompt);
  add_length_options(app, options->length);
  add_sampling_options(app, options->sampling);
  app.add_flag("--json", options->json, "print one JSON object when done")->group(kOutputGroup);
  add_console_options(app, options->console);
  app.footer(examples({"adder generate models/austen-3.6m -p \"It is a truth\" -n 100",
                       "adder generate -hf AntonV/mamba2-130m-hf -f prompt.txt --temp 0"}));
  return {&app, [options] { return check(*options); }, [options] { return run(*options); }};
}

}  // namespace adder::cli
