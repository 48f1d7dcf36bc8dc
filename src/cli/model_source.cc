#include "cli/model_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/interrupt.h"
#include "hub/cache.h"
#include "hub/model_id.h"
#include "hub/pull.h"

namespace adder::cli {
namespace {

namespace fs = std::filesystem;

bool exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// ORG/NAME[@REV], and what of it is wanted.
struct Wanted {
  std::string id;
  std::vector<std::string> include;  ///< as of hub::PullOptions
  std::string quant;                 ///< of ORG/NAME:QUANT; may be empty
};

Wanted parse_wanted(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string::npos) return {name, {}, ""};
  const std::string quant = name.substr(colon + 1);
  return {name.substr(0, colon), {fmt::format("*{}*.gguf", quant)}, quant};
}

/// The one .gguf of a snapshot with `quant` in its name, whatever the case.
Result<fs::path> choose(const Wanted& wanted, const fs::path& snapshot) {
  const auto lower = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  };
  std::vector<fs::path> found;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(snapshot, error); !error && at != end(at);
       at.increment(error))
    if (at->path().extension() == ".gguf" &&
        lower(at->path().filename().string()).find(lower(wanted.quant)) != std::string::npos)
      found.push_back(at->path());
  if (found.size() == 1) return found.front();
  return fail(ErrorCode::not_found,
              fmt::format("{}: {} .gguf files in the cache have {} in their names, expected one", wanted.id,
                          found.size(), in_quotes(wanted.quant)),
              fmt::format("adder pull {} --include '*{}*.gguf'", wanted.id, wanted.quant));
}

/// What is in the cache already.
Result<fs::path> in_cache(const Wanted& wanted) {
  const auto environment = hub::Environment::system();
  if (wanted.quant.empty()) return hub::locate(wanted.id, environment);
  ADDER_TRY(const fs::path snapshot, hub::locate_snapshot(wanted.id, environment));
  return choose(wanted, snapshot);
}

/// Asks on the terminal, if there is somebody to ask. Enter means yes.
bool asked_for(const std::string& what) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return false;
  fmt::print(stderr, "{} is not in the cache. Download it? [Y/n] ", what);
  std::string answer;
  if (!std::getline(std::cin, answer)) return false;
  return answer.empty() || answer[0] == 'y' || answer[0] == 'Y';
}

bool may_fetch(Fetch fetch, const std::string& what) {
  return fetch == Fetch::always || (fetch == Fetch::ask && asked_for(what));
}

bool is_offline() {
  const auto settings = hub::read_settings(hub::Environment::system());
  return settings && settings->offline;
}

Result<hub::PullResult> download(const Wanted& wanted, Console& console) {
  console.note(fmt::format("downloading {}", wanted.id));
  return hub::pull({.id = wanted.id, .include = wanted.include, .retry = {}, .timeouts = {}},
                   hub::Environment::system(), {console, &interrupted()}, console.progress());
}

}  // namespace

Result<fs::path> find_model(const fs::path& model, Fetch fetch, Console& console) {
  if (exists(model)) return model;
  const Wanted wanted = parse_wanted(model.string());
  if (!hub::looks_like_model_id(wanted.id))
    return fail(ErrorCode::not_found,
                fmt::format("{}: no such file or directory, and not the name of a model on a hub (ORG/NAME)",
                            model.string()),
                "give a checkpoint's folder, a weights file, or ORG/NAME as in `-hf AntonV/mamba2-130m-hf`");
  Result<fs::path> cached = in_cache(wanted);
  if (cached || cached.error().code != ErrorCode::not_found) return cached;
  if (is_offline() || !may_fetch(fetch, wanted.id))
    return fail(ErrorCode::not_found,
                fmt::format("{}: no such file or directory, and no such model in the Hugging Face cache ({})",
                            model.string(), cached.error().message),
                is_offline() ? "HF_HUB_OFFLINE is set, so nothing is downloaded"
                             : fmt::format("to download and run it, say -hf {}", model.string()));
  ADDER_TRY(const hub::PullResult result, download(wanted, console));
  if (wanted.quant.empty()) return result.model;
  return choose(wanted, result.snapshot);
}

Result<std::optional<fs::path>> find_hub_tokenizer(const std::string& id, Fetch fetch, Console& console) {
  const auto environment = hub::Environment::system();
  const auto there = [](const fs::path& snapshot) { return exists(snapshot / "tokenizer.json"); };
  const Result<fs::path> cached = hub::locate_snapshot(id, environment);
  if (!cached && cached.error().code != ErrorCode::not_found) return fail(cached.error());
  if (cached && there(*cached)) return std::optional(*cached);
  if (is_offline() || !may_fetch(fetch, id + "'s tokenizer")) return std::nullopt;
  ADDER_TRY(const hub::PullResult result, download({id, {"tokenizer.json"}, ""}, console));
  return std::optional(result.snapshot);
}

}  // namespace adder::cli
