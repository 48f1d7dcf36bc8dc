#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/console.h"
#include "cli/model_source.h"
#include "tokenizer/tokenizer.h"

// Which tokenizer goes with a model: one answer for every command.
namespace adder::cli {

struct ModelTokenizer {
  tokenizer::Tokenizer tokenizer;
  std::string source;  ///< where it was found, for people
};

/// How a tokenizer may be looked for.
struct TokenizerSearch {
  std::string name;  ///< --tokenizer: a tokenizer.json, its folder, or ORG/NAME; empty: the model's own
  Fetch fetch = Fetch::never;
  bool hub = true;  ///< look into the cache of a hub, if the model has none of its own
};

void add_tokenizer_option(CLI::App& app, std::string& name);

/// The one named, else tokenizer.json beside the weights, else the one inside a GGUF file, else, for a
/// checkpoint in the layout of state-spaces, which has none, the one of hub::usual_tokenizer; nullopt if
/// there is none of these. Errors: those of reading the one that is there; invalid_argument if its ids do not
/// fit the model's vocabulary.
Result<std::optional<ModelTokenizer>> find_tokenizer(const TokenizerSearch& search,
                                                     const checkpoint::Checkpoint& model, Console& console);

/// The same where one is needed. Error not_found: what was looked for, and what to do; `instead` is another
/// way to go on, such as "or give the prompt as token ids with --ids".
Result<ModelTokenizer> need_tokenizer(const TokenizerSearch& search, const checkpoint::Checkpoint& model,
                                      std::string_view instead, Console& console);

/// The token that texts begin with, as far as config.json, generation_config.json or a GGUF file name one.
std::optional<std::int32_t> first_token(const checkpoint::Checkpoint& model);

}  // namespace adder::cli
