#include "cli/model_source.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

#include "base/files.h"
#include "cli/interrupt.h"
#include "hub/ensure.h"

namespace adder::cli {
namespace {

namespace fs = std::filesystem;

/// Asks on the terminal, if there is somebody to ask. Enter means yes.
bool asked_for(const std::string& what) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return false;
  fmt::print(stderr, "{} is not in the cache. Download it? [Y/n] ", what);
  // Ctrl-C only sets interrupted(), and reading would go on after it; poll ends there.
  ::pollfd keyboard{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (::poll(&keyboard, 1, -1) < 0)
    if (errno != EINTR || interrupted()) return false;
  std::string answer;
  if (!std::getline(std::cin, answer) || interrupted()) return false;
  return answer.empty() || answer[0] == 'y' || answer[0] == 'Y';
}

bool is_offline() {
  const auto settings = hub::read_settings(hub::Environment::system());
  return settings && settings->offline;
}

Result<fs::path> ensure(const hub::HubName& name, hub::Needs needs, hub::Network network, Console& console) {
  ADDER_TRY(
      const hub::Ensured done,
      hub::ensure(name.id, needs, {.include = name.include, .network = network, .retry = {}, .timeouts = {}},
                  hub::Environment::system(), {console, &interrupted()}, console.progress()));
  if (done.bytes_fetched > 0)
    console.note(fmt::format("downloaded {}: {}", to_string(name.id),
                             human_bytes(static_cast<double>(done.bytes_fetched))));
  return done.path;
}

/// Out of the cache; from the hub what is missing there and `fetch` allows. `what` is what is asked for.
Result<fs::path> obtain(const hub::HubName& name, hub::Needs needs, Fetch fetch, const std::string& what,
                        Console& console) {
  if (fetch == Fetch::always) return ensure(name, needs, hub::Network::needed, console);
  Result<fs::path> cached = ensure(name, needs, hub::Network::never, console);
  if (cached || cached.error().code != ErrorCode::not_found) return cached;
  if (fetch == Fetch::never || is_offline() || !asked_for(what)) return cached;
  return ensure(name, needs, hub::Network::needed, console);
}

}  // namespace

Result<fs::path> find_model(const fs::path& model, Fetch fetch, Console& console) {
  ADDER_TRY(const fs::file_type type, type_of(model));
  if (type != fs::file_type::not_found) return model;
  const Result<hub::HubName> name = hub::parse_hub_name(model.string());
  if (!name)
    return fail(ErrorCode::not_found,
                fmt::format("{}: no such file or directory, and not the name of a model on a hub (ORG/NAME)",
                            model.string()),
                "give a checkpoint's folder, a weights file, or ORG/NAME as in `-hf AntonV/mamba2-130m-hf`");
  Result<fs::path> found = obtain(*name, hub::Needs::model, fetch, model.string(), console);
  if (found || found.error().code != ErrorCode::not_found) return found;
  Error error = std::move(found).error();
  error.message = fmt::format("{}: no such file or directory, and as a model of a hub: {}", model.string(),
                              error.message);
  if (fetch != Fetch::always && !is_offline())
    error.hint = fmt::format("to download and run it, say -hf {}", model.string());
  return fail(std::move(error));
}

Result<std::optional<fs::path>> find_hub_tokenizer(const std::string& id, Fetch fetch, Console& console) {
  ADDER_TRY(const hub::HubName name, hub::parse_hub_name(id));
  Result<fs::path> found = obtain(name, hub::Needs::tokenizer, fetch, id + "'s tokenizer", console);
  if (found) return std::optional(*std::move(found));
  if (found.error().code == ErrorCode::not_found) return std::nullopt;
  return fail(std::move(found).error());
}

}  // namespace adder::cli
