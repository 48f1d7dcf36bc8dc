#include "cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/json.h"
#include "cli/program.h"

namespace adder::cli {
namespace {

/// What another program calls an option: ours of the same meaning where the command has it, else why not.
struct Foreign {
  std::vector<std::string_view> names;
  std::string_view ours;
  std::string_view reason;
};

constexpr std::string_view kPieces = "a prompt is absorbed in pieces that Adder chooses; leave it out";
constexpr std::string_view kOneDevice =
    "a model runs whole on one device: choose that with --plugin, such as --plugin cuda";

const std::vector<Foreign>& foreign_options() {
  static const std::vector<Foreign> kTable{
      {{"--model-path", "--model-id"}, "--model", ""},
      {{"--tokenizer-path"}, "--tokenizer", ""},
      {{"--prompt-file"}, "--file", ""},
      {{"--temperature"}, "--temp", ""},
      {{"--max-tokens", "--n-predict", "--max-new-tokens", "--num-predict"}, "--predict", ""},
      {{"--repetition-penalty"}, "--repeat-penalty", ""},
      {{"-r", "--reverse-prompt"}, "--stop", ""},
      {{"--num-threads", "--n-threads"}, "--threads", ""},
      {{"--log-disable"}, "--quiet", ""},
      {{"--backend"}, "--plugin", ""},
      {{"-c", "--ctx-size", "--n-ctx", "--max-model-len"},
       "--context",
       "a state space model has no context window, its state has one size at every length; leave it out"},
      {{"-ngl", "--gpu-layers", "--n-gpu-layers"}, "", kOneDevice},
      {{"-dev", "-mg", "--main-gpu"}, "", "--plugin names the kind of device, --device N which of them"},
      {{"-sm", "--split-mode", "-ts", "--tensor-split"}, "", kOneDevice},
      {{"-md", "--model-draft"}, "--model-draft", "there is no speculative decoding with a draft model"},
      {{"-ub", "--ubatch-size"}, "", kPieces},
      {{"-b", "--batch-size"}, "--batch", kPieces},
      {{"-tb", "--threads-batch"}, "", "--threads counts for prompts and for generating alike"},
      {{"-fa", "--flash-attn"}, "", "there is no attention to speed up; leave it out"},
      {{"-ctk", "-ctv", "--cache-type-k", "--cache-type-v"}, "", "there is no KV cache; leave it out"},
      {{"--mlock", "--mmap", "--no-mmap"}, "", "weights are uploaded to the device once; leave it out"},
      {{"-no-cnv", "--no-conversation"}, "", "a text is always continued as it stands; leave it out"},
      {{"--no-escape"}, "", "escapes are taken as they stand unless -e is given; leave it out"},
      {{"--no-warmup"}, "", "programs are compiled, not warmed up; leave it out"},
  };
  return kTable;
}

const Foreign* find_foreign(std::string_view name) {
  for (const Foreign& f : foreign_options())
    if (std::find(f.names.begin(), f.names.end(), name) != f.names.end()) return &f;
  return nullptr;
}

/// llama.cpp's way to name a model of a hub: -m and --pull in one.
bool is_hub_model(std::string_view name) { return name == "-hf" || name == "-hfr" || name == "--hf-repo"; }

const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  return name.starts_with("-") ? app.get_option_no_throw(name) : nullptr;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* o : app.get_options(nullptr)) {
    for (const std::string& name : o->get_lnames()) out.push_back("--" + name);
    for (const std::string& name : o->get_snames()) out.push_back("-" + name);
  }
  return out;
}

/// Steps from one word to the other: letters put in, left out, or changed.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(hint));
}

std::string did_you_mean(const std::string& near, const std::string& otherwise) {
  return near.empty() ? otherwise : fmt::format("did you mean {}? {}", near, otherwise);
}

/// One pass over the words of a command.
class Reader {
 public:
  Reader(const CLI::App& program, const CLI::App& app) : program_(program), app_(app) {}

  Result<Arguments> read(std::vector<std::string>::const_iterator at,
                         std::vector<std::string>::const_iterator end) {
    for (; at != end && *at != "--"; ++at) {
      const std::string& word = *at;
      if (word.size() < 2 || word[0] != '-' || std::isdigit(static_cast<unsigned char>(word[1])) != 0) {
        out_.words.push_back(word);
        continue;
      }
      ADDER_TRY(const bool wants_value, read_option(word));
      if (wants_value && at + 1 != end) out_.words.push_back(*++at);
    }
    out_.words.insert(out_.words.end(), at, end);
    return std::move(out_);
  }

 private:
  /// Adds the option under its own name; whether its value is the next word.
  Result<bool> read_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = nullptr;
    if (is_hub_model(name) && find_option(app_, "--pull")) {
      out_.words.push_back("--pull");
      option = find_option(app_, "--model");
    } else if (const Foreign* foreign = find_foreign(name); foreign && !find_exactly(name)) {
      option = find_option(app_, std::string(foreign->ours));
      if (!option && !foreign->reason.empty())
        return refuse(fmt::format("{}: {}", name, foreign->reason), help_hint());
    }
    if (!option) option = find_exactly(name);
    if (!option) option = find_loosely(name);
    if (!option) return read_short(word);
    out_.typed[option->get_name()] = name;
    out_.words.push_back(canonical(*option, name) + (equals == std::string::npos ? "" : word.substr(equals)));
    return takes_value(*option) && equals == std::string::npos;
  }

  /// -x, or --long.
  const CLI::Option* find_exactly(const std::string& name) const {
    return name.size() == 2 || name.starts_with("--") ? find_option(app_, name) : nullptr;
  }

  /// --top_k, or -temp as some programs write long options.
  const CLI::Option* find_loosely(std::string name) const {
    std::replace(name.begin(), name.end(), '_', '-');
    if (const CLI::Option* option = name.starts_with("--") ? find_option(app_, name) : nullptr) return option;
    return name.starts_with("--") || name.size() < 4 ? nullptr : find_option(app_, "-" + name);
  }

  /// Flags in one word (-vq) or a value attached (-n100).
  Result<bool> read_short(const std::string& word) {
    const CLI::Option* first = word.starts_with("--") ? nullptr : find_option(app_, word.substr(0, 2));
    if (!first) return unknown(word.substr(0, word.find('=')));
    out_.typed[first->get_name()] = word.substr(0, 2);
    out_.words.push_back(word);
    return false;
  }

  static bool takes_value(const CLI::Option& option) { return option.get_items_expected_min() > 0; }
  /// CLI11 knows what the user wrote where it is a name of the option, else its first name.
  static std::string canonical(const CLI::Option& option, const std::string& name) {
    return (name.size() == 2 || name.starts_with("--")) && option.check_name(name) ? name : option.get_name();
  }

  tl::unexpected<Error> unknown(const std::string& name) const {
    if (&app_ == &program_) {
      const CLI::App* generate = find_command(program_, "generate");
      if (generate && (find_option(*generate, name) || find_foreign(name) || is_hub_model(name)))
        return refuse(fmt::format("{} comes after a command", name),
                      fmt::format("as in `adder generate {} ...`; see `adder help`", name));
    }
    std::vector<std::string> candidates = option_names(app_);
    for (const Foreign& f : foreign_options())
      if (find_option(app_, std::string(f.ours)))
        candidates.insert(candidates.end(), f.names.begin(), f.names.end());
    const std::string near = nearest(name, candidates);
    const Foreign* foreign = find_exactly(near) ? nullptr : find_foreign(near);
    return refuse(fmt::format("there is no option {}", name),
                  did_you_mean(foreign ? std::string(foreign->ours) : near, help_hint()));
  }

  std::string help_hint() const {
    return fmt::format("see `adder {}--help`", &app_ == &program_ ? "" : app_.get_name() + " ");
  }

  const CLI::App& program_;
  const CLI::App& app_;
  Arguments out_;
};

std::vector<std::string> command_names(const CLI::App& program) {
  std::vector<std::string> out;
  for (const CLI::App* sub : program.get_subcommands(nullptr))
    if (!sub->get_group().empty()) out.push_back(sub->get_name());
  return out;
}

tl::unexpected<Error> no_such_command(const CLI::App& program, const std::string& word) {
  static const std::map<std::string_view, std::string> kTheirs{
      {"run", "generate"}, {"complete", "generate"}, {"download", "pull"},
      {"get", "pull"},     {"list", "devices"},      {"benchmark", "bench"},
      {"info", "inspect"}, {"show", "inspect"},      {"ppl", "perplexity"}};
  const auto theirs = kTheirs.find(word);
  const std::string near = theirs != kTheirs.end() ? theirs->second : nearest(word, command_names(program));
  return refuse(fmt::format("there is no command {}", in_quotes(word)),
                did_you_mean(near.empty() ? near : fmt::format("`adder {}`", near), "see `adder help`"));
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // One dash is no word to be near to, and two are not the beginning of anything.
    if (candidate.size() < 3) continue;
    const std::size_t d = word.size() > 4 && candidate.starts_with(word) ? 1 : distance(word, candidate);
    if (d >= best_distance) continue;
    best = candidate;
    best_distance = d;
  }
  return best;
}

std::string Arguments::in_users_words(std::string message) const {
  for (const auto& [own, word] : typed) {
    if (own == word) continue;
    const auto part_of_word = [&](std::size_t at) {
      return at < message.size() &&
             (std::isalnum(static_cast<unsigned char>(message[at])) != 0 || message[at] == '-');
    };
    const auto listed = [&](std::size_t at) { return at > 0 && message[at - 1] == '/'; };  // -p/--prompt
    for (std::size_t at = message.find(own); at != std::string::npos;
         at = message.find(own, at + word.size()))
      if (!part_of_word(at + own.size()) && !listed(at)) message.replace(at, own.size(), word);
  }
  return message;
}

Result<Arguments> understand(const CLI::App& program, const std::vector<std::string>& words) {
  // llama.cpp's programs list devices whatever else is asked of them.
  if (std::find(words.begin(), words.end(), "--list-devices") != words.end())
    return Arguments{.words = {"devices"}, .typed = {}};
  if (words.empty() || words.front().starts_with("-"))
    return Reader(program, program).read(words.begin(), words.end());
  const CLI::App* command = find_command(program, words.front());
  if (!command) return no_such_command(program, words.front());
  ADDER_TRY(Arguments out, Reader(program, *command).read(words.begin() + 1, words.end()));
  out.words.insert(out.words.begin(), words.front());
  return out;
}

}  // namespace adder::cli
