#include "hub/present.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace adder::hub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizer = "tokenizer.json";
constexpr std::uint64_t kMaxShards = 10'000;

/// What a snapshot holds; a link whose blob is missing is not there.
std::vector<RemoteFile> files_in(const fs::path& snapshot) {
  std::vector<RemoteFile> out;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(snapshot, error); !error && at != end(at);
       at.increment(error)) {
    std::error_code broken;
    if (at->is_regular_file(broken))
      out.push_back({at->path().lexically_relative(snapshot).generic_string(), std::nullopt, "", ""});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

bool holds(const std::vector<RemoteFile>& files, const std::string& path) {
  return std::any_of(files.begin(), files.end(), [&](const RemoteFile& file) { return file.path == path; });
}

/// What chosen weights need beside them and is not there; empty: nothing.
std::string missing_part(const std::vector<RemoteFile>& there, const std::vector<RemoteFile>& chosen) {
  for (const RemoteFile& file : chosen) {
    const std::vector<std::string> shards = shards_with(file.path);
    for (const std::string& shard : shards)
      if (!holds(there, shard)) return shard;
    if (shards.empty() || file.path.ends_with(".gguf")) continue;
    const std::string index = file.path.substr(0, file.path.size() - std::string("-00001-of-00002").size() -
                                                      fs::path(file.path).extension().string().size()) +
                              fs::path(file.path).extension().string() + ".index.json";
    if (!holds(there, index)) return index;
  }
  return {};
}

/// The weights of a snapshot.
struct Weights {
  fs::path path;        ///< for -m
  std::string missing;  ///< instead
  bool is_gguf = false;
};

Result<Weights> find_weights(const fs::path& snapshot, const std::vector<RemoteFile>& there,
                             const ModelId& id, const std::vector<std::string>& include) {
  const auto chosen = select_files(there, include, id);
  if (!chosen) {  // what locate() would find may still be there: a .gguf in a folder
    if (!include.empty())
      return Weights{"", fmt::format("a file that matches {}", fmt::join(include, " or ")), false};
    const Result<fs::path> model = model_in(snapshot, id);
    if (model) return Weights{*model, "", true};
    if (model.error().code != ErrorCode::not_found) return fail(model.error());
    return Weights{"", "weights", false};
  }
  std::vector<std::string> gguf;
  bool others = false;
  for (const RemoteFile& file : *chosen) {
    if (!is_weights_name(file.path)) continue;
    if (file.path.ends_with(".gguf"))
      gguf.push_back(file.path);
    else
      others = true;
  }
  if (std::string part = missing_part(there, *chosen); !part.empty())
    return Weights{"", std::move(part), false};
  if (gguf.size() > 1 && !others)
    return fail(ErrorCode::failed_precondition,
                fmt::format("{}: {} .gguf files fit, such as {} and {}", to_string(id), gguf.size(), gguf[0],
                            gguf[1]),
                fmt::format("name one, for example -m {}", (snapshot / gguf[0]).string()));
  if (!others && !gguf.empty()) return Weights{snapshot / gguf[0], "", true};
  if (!holds(there, "config.json") && !holds(there, "params.json")) return Weights{"", "config.json", false};
  return Weights{snapshot, "", false};
}

}  // namespace

std::vector<std::string> shards_with(const std::string& path) {
  const std::string extension = fs::path(path).extension().string();
  const std::string stem = path.substr(0, path.size() - extension.size());
  const std::size_t of = stem.rfind("-of-");
  if (of == stem.npos || of == 0) return {};
  const std::size_t dash = stem.rfind('-', of - 1);
  if (dash == stem.npos) return {};
  const std::string_view number = std::string_view(stem).substr(dash + 1, of - dash - 1);
  const std::string_view count = std::string_view(stem).substr(of + 4);
  const auto is_number = [](std::string_view text) {
    return text.size() == 5 && text.find_first_not_of("0123456789") == text.npos;
  };
  if (!is_number(number) || !is_number(count)) return {};
  std::uint64_t n = 0;
  std::from_chars(count.data(), count.data() + count.size(), n);
  if (n > kMaxShards) return {};
  std::vector<std::string> out;
  for (std::uint64_t i = 1; i <= n; ++i)
    out.push_back(fmt::format("{}-{:05}-of-{:05}{}", stem.substr(0, dash), i, n, extension));
  return out;
}

Result<Present> look_in_cache(const RepositoryCache& cache, const ModelId& id, Needs needs,
                              const std::vector<std::string>& include) {
  Present out;
  const Result<std::string> commit = cache.commit_of(id.revision);
  if (!commit && commit.error().code != ErrorCode::not_found) return fail(commit.error());
  std::error_code error;
  if (!commit || !fs::is_directory(cache.snapshot(*commit), error)) {
    out.missing = (commit ? cache.snapshot(*commit) : cache.ref(id.revision)).string();
    return out;
  }
  out.commit = *commit;
  const fs::path snapshot = cache.snapshot(*commit);
  const std::vector<RemoteFile> there = files_in(snapshot);
  const bool has_tokenizer = holds(there, kTokenizer);
  if (needs == Needs::tokenizer) {
    if (has_tokenizer)
      out.path = snapshot / kTokenizer;
    else
      out.missing = kTokenizer;
    return out;
  }
  ADDER_TRY(Weights weights, find_weights(snapshot, there, id, include));
  out.path = std::move(weights.path);
  out.missing = std::move(weights.missing);
  if (needs == Needs::weights || !out.missing.empty() || weights.is_gguf || has_tokenizer) return out;
  if (fs::exists(cache.absent(*commit, kTokenizer), error)) return out;
  out.missing = kTokenizer;
  out.lacks_only_tokenizer = true;
  return out;
}

}  // namespace adder::hub
