#include "cli/model_tokenizer.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/help.h"
#include "hub/ensure.h"
#include "tokenizer/vocabulary_json.h"

namespace adder::cli {
namespace {

namespace fs = std::filesystem;
using Found = Result<std::optional<ModelTokenizer>>;
using tokenizer::Tokenizer;

/// Whose tokenizer a checkpoint in the layout of state-spaces, which has none, was trained with; nullopt for
/// any other.
std::optional<std::string> usual_tokenizer(const checkpoint::Checkpoint& model) {
  if (model.config().dialect != arch::Dialect::mamba_ssm) return std::nullopt;
  const auto id = hub::usual_tokenizer(model.config().vocab_size);
  return id ? std::optional(to_string(*id)) : std::nullopt;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Found some(Result<Tokenizer> opened, std::string source) {
  ADDER_TRY(Tokenizer tokenizer, std::move(opened));
  return std::optional(ModelTokenizer{std::move(tokenizer), std::move(source)});
}

Found open_named(const TokenizerSearch& search, Console& console) {
  if (is_there(search.name) || !hub::looks_like_model_id(search.name))
    return some(Tokenizer::open(search.name), search.name);
  ADDER_TRY(const std::optional<fs::path> file, find_hub_tokenizer(search.name, search.fetch, console));
  if (!file)
    return fail(
        ErrorCode::not_found,
        fmt::format("--tokenizer {}: there is no such file or folder, and no tokenizer.json of such a model "
                    "in the Hugging Face cache",
                    search.name),
        fmt::format("add --pull to download it, or: adder pull {} --include tokenizer.json", search.name));
  return some(Tokenizer::open(*file), search.name);
}

Found open_own(const TokenizerSearch& search, const checkpoint::Checkpoint& model, Console& console) {
  const fs::path beside = model.directory() / "tokenizer.json";
  if (is_there(beside)) return some(Tokenizer::open(beside), beside.string());
  ADDER_TRY(const auto vocabulary, model.vocabulary());
  if (vocabulary)
    return some(tokenizer::tokenizer_from_vocabulary(*vocabulary, model.entries().front().view.file),
                fmt::format("the weights file ({})", vocabulary->model));
  const std::optional<std::string> usual = usual_tokenizer(model);
  if (!usual || !search.hub) return std::nullopt;
  ADDER_TRY(const std::optional<fs::path> file, find_hub_tokenizer(*usual, search.fetch, console));
  if (!file) return std::nullopt;
  return some(Tokenizer::open(*file), *usual);
}

/// Ids that the model does not have would be refused one by one, in the middle of a text; a vocabulary of
/// less than half the model's would give words that mean nothing to it.
Status check_fit(const ModelTokenizer& found, const arch::Config& config) {
  const std::int64_t ids = found.tokenizer.id_limit(), rows = config.padded_vocab_size;
  if (ids <= rows && ids > rows / 2) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: its token ids end at {}, the model's at {}: it belongs to another model",
                          found.source, ids - 1, config.vocab_size - 1),
              "name the model's own with --tokenizer");
}

}  // namespace

void add_tokenizer_option(CLI::App& app, std::string& name) {
  app.add_option("--tokenizer", name,
                 "tokenizer.json, its folder, or ORG/NAME of a hub (default: the model's own)")
      ->type_name("PATH|ORG/NAME")
      ->group(kPromptGroup);
}

Found find_tokenizer(const TokenizerSearch& search, const checkpoint::Checkpoint& model, Console& console) {
  const bool named = !search.name.empty();
  ADDER_TRY(std::optional<ModelTokenizer> found,
            named ? open_named(search, console) : open_own(search, model, console));
  if (!found) return std::nullopt;
  ADDER_CHECK(check_fit(*found, model.config()));
  if (!named && found->source == usual_tokenizer(model))
    console.note(fmt::format("tokenizer: {}, the checkpoint has none of its own", found->source));
  return found;
}

Result<ModelTokenizer> need_tokenizer(const TokenizerSearch& search, const checkpoint::Checkpoint& model,
                                      std::string_view instead, Console& console) {
  ADDER_TRY(std::optional<ModelTokenizer> found, find_tokenizer(search, model, console));
  if (found) return *std::move(found);
  const std::optional<std::string> usual = usual_tokenizer(model);
  return fail(
      ErrorCode::not_found,
      fmt::format("{}: no such file, so text cannot be tokenized{}",
                  (model.directory() / "tokenizer.json").string(),
                  usual ? fmt::format("; such a model uses {}'s, which is not in the cache", *usual) : ""),
      fmt::format(
          "{}{}",
          usual ? "download it with --pull, name another with --tokenizer" : "name one with --tokenizer",
          instead));
}

std::optional<std::int32_t> first_token(const checkpoint::Checkpoint& model) {
  std::optional<std::int64_t> id = model.config().bos_token_id;
  if (!id) id = model.generation_defaults().bos_token_id;
  if (!id) return std::nullopt;
  return static_cast<std::int32_t>(*id);
}

}  // namespace adder::cli
