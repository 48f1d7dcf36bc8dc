#include "hub/ensure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "hub/cache.h"
#include "hub/present.h"
#include "hub/pull.h"

namespace adder::hub {
namespace {

constexpr std::int64_t kNeoxTokens = 50'277, kMostPadding = 64;

/// A pattern that matches `text` in any case.
std::string any_case(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalpha(byte) != 0)
      out +=
          fmt::format("[{}{}]", static_cast<char>(std::tolower(byte)), static_cast<char>(std::toupper(byte)));
    else
      out += c;
  }
  return out;
}

tl::unexpected<Error> not_there(const ModelId& id, const Present& present, bool offline) {
  return fail(ErrorCode::not_found,
              fmt::format("{} is not in the cache ({} is missing){}", to_string(id), present.missing,
                          offline ? ", and HF_HUB_OFFLINE forbids to fetch it" : ""),
              offline ? "unset HF_HUB_OFFLINE" : fmt::format("fetch it with `adder pull {}`", to_string(id)));
}

/// One download, of the commit that is there already if there is one: what is missing belongs to it.
Result<PullResult> download(const ModelId& id, const Present& present, Needs needs,
                            const EnsureOptions& options, const Environment& environment, Supervision watch,
                            Progress& progress) {
  PullOptions what{to_string(id), options.include, options.retry, options.timeouts, needs};
  if (present.commit.empty() || options.network == Network::refresh)
    return pull(what, environment, watch, progress);
  ModelId pinned = id;
  pinned.revision = present.commit;
  what.id = to_string(pinned);
  if (present.lacks_only_tokenizer) what.retry.attempts = 1;  // it can be done without
  Result<PullResult> out = pull(what, environment, watch, progress);
  if (out || out.error().code != ErrorCode::not_found || is_commit(id.revision)) return out;
  what.id = to_string(id);  // the hub has forgotten the commit, or it lacks what is needed
  return pull(what, environment, watch, progress);
}

}  // namespace

Result<Ensured> ensure(const ModelId& id, Needs needs, const EnsureOptions& options,
                       const Environment& environment, Supervision watch, Progress& progress) {
  ADDER_TRY(const Settings settings, read_settings(environment));
  const RepositoryCache cache(settings.cache, id);
  const bool may_ask = options.network != Network::never && !settings.offline;
  const Result<Present> looked = look_in_cache(cache, id, needs, options.include);
  if (!looked && !may_ask) return fail(looked.error());
  const Present present = looked.value_or(Present{});
  const bool usable = present.missing.empty() || present.lacks_only_tokenizer;
  const Ensured as_it_is{present.path, present.commit, false, 0};
  if (!may_ask)
    return usable && looked ? Result<Ensured>(as_it_is) : not_there(id, present, settings.offline);
  if (looked && present.missing.empty() && options.network != Network::refresh) return as_it_is;

  const Result<PullResult> pulled = download(id, present, needs, options, environment, watch, progress);
  if (!pulled && present.lacks_only_tokenizer && pulled.error().code == ErrorCode::internal &&
      options.network != Network::refresh) {
    log(watch.log, LogLevel::warn, "{}; going on with {} as it is in the cache, without a tokenizer",
        pulled.error().message, to_string(id));
    return as_it_is;
  }
  if (!pulled) return fail(pulled.error());
  ModelId at_commit = id;
  at_commit.revision = pulled->commit;
  ADDER_TRY(const Present now, look_in_cache(cache, at_commit, needs, options.include));
  if (!now.missing.empty() && !now.lacks_only_tokenizer) return not_there(at_commit, now, false);
  return Ensured{now.path, pulled->commit, true, pulled->bytes_fetched};
}

Result<HubName> parse_hub_name(std::string_view text) {
  const std::size_t colon = text.find(':');
  HubName out;
  if (colon == text.npos) {
    ADDER_TRY(out.id, parse_model_id(text));
    return out;
  }
  const std::size_t at = text.find('@', colon);
  const std::string_view quant = text.substr(colon + 1, at == text.npos ? text.npos : at - colon - 1);
  const std::string rest = std::string(text.substr(0, colon)) +
                           std::string(at == text.npos ? std::string_view() : text.substr(at));
  ADDER_TRY(out.id, parse_model_id(rest));
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  };
  if (quant.empty() || !std::all_of(quant.begin(), quant.end(), allowed))
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: {} is no kind of quantisation", in_quotes(text), in_quotes(quant)),
                "expected ORG/NAME:QUANT as in org/model-GGUF:Q8_0");
  const std::string name = any_case(quant) + ".gguf";
  out.include = {name, "*[-._/]" + name};
  return out;
}

std::optional<ModelId> usual_tokenizer(std::int64_t vocab_size) {
  if (vocab_size < kNeoxTokens || vocab_size >= kNeoxTokens + kMostPadding) return std::nullopt;
  return ModelId{"EleutherAI", "gpt-neox-20b"};
}

}  // namespace adder::hub
