#include "hub/select.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>

#include "base/json.h"

namespace adder::hub {
namespace {

bool matches(const std::string& path, const std::string& pattern) {
  return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
}

bool matches_any(const std::string& path, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(path, pattern); });
}

bool in_top_folder(const std::string& path) { return path.find('/') == path.npos; }

bool is_of_tokenizer(const std::string& path) {
  return in_top_folder(path) &&
         matches_any(path, {"tokenizer*.json", "special_tokens_map.json", "chat_template.jinja"});
}

bool is_description(const std::string& path) {
  return is_of_tokenizer(path) ||
         (in_top_folder(path) && matches_any(path, {"config.json", "params.json", "generation_config.json"}));
}

/// One set of weights: the files that hold tensors, and the index that goes with them.
struct WeightSet {
  std::vector<std::string> tensors;
  std::string index;  ///< empty: none
};

/// Best first. The number is five digits in all published checkpoints.
std::vector<WeightSet> weight_sets() {
  const std::string shard = "-[0-9]*-of-[0-9]*";
  return {{{"model.safetensors"}, ""},
          {{"model" + shard + ".safetensors"}, "model.safetensors.index.json"},
          {{"consolidated*.safetensors"}, "consolidated*.safetensors.index.json"},
          {{"*.safetensors"}, "*.safetensors.index.json"},
          {{"pytorch_model.bin"}, ""},
          {{"pytorch_model" + shard + ".bin"}, "pytorch_model.bin.index.json"}};
}

/// The patterns of the first set that is there; empty if none is.
std::vector<std::string> default_weights(const std::vector<RemoteFile>& files) {
  for (const WeightSet& set : weight_sets()) {
    const bool there = std::any_of(files.begin(), files.end(), [&](const RemoteFile& file) {
      return in_top_folder(file.path) && matches_any(file.path, set.tensors);
    });
    if (!there) continue;
    std::vector<std::string> patterns = set.tensors;
    if (!set.index.empty()) patterns.push_back(set.index);
    return patterns;
  }
  std::vector<std::string> gguf;
  for (const RemoteFile& file : files)
    if (in_top_folder(file.path) && file.path.ends_with(".gguf")) gguf.push_back(file.path);
  return gguf.size() == 1 ? gguf : std::vector<std::string>();
}

tl::unexpected<Error> no_weights(const std::vector<RemoteFile>& files,
                                 const std::vector<std::string>& include, const ModelId& id) {
  constexpr int kShown = 12;
  std::string seen;
  int count = 0;
  for (const RemoteFile& file : files)
    if (is_weights_name(file.path) && ++count <= kShown)
      seen += (seen.empty() ? "" : ", ") + in_quotes(file.path);
  if (count > kShown) seen += fmt::format(" and {} more", count - kShown);
  const std::string found = seen.empty() ? "no weights at all" : seen;
  if (!include.empty())
    return fail(ErrorCode::not_found, fmt::format("{}: no file matches --include {}; it has {}",
                                                  to_string(id), fmt::join(include, " "), found));
  return fail(ErrorCode::not_found,
              fmt::format("{}: expected safetensors or pytorch_model.bin, found {}", to_string(id), found),
              seen.empty() ? "" : "say which to fetch with --include, for example --include '*Q8_0.gguf'");
}

}  // namespace

bool is_weights_name(std::string_view name) {
  const std::string_view file = name.substr(name.rfind('/') + 1);
  return file.ends_with(".safetensors") || file.ends_with(".gguf") ||
         (file.starts_with("pytorch_model") && file.ends_with(".bin"));
}

Result<std::vector<RemoteFile>> select_files(const std::vector<RemoteFile>& files,
                                             const std::vector<std::string>& include, const ModelId& id) {
  const std::vector<std::string> patterns = include.empty() ? default_weights(files) : include;
  std::vector<RemoteFile> out;
  bool found = false;
  for (const RemoteFile& file : files) {
    const bool chosen = matches_any(file.path, patterns) && (!include.empty() || in_top_folder(file.path));
    found = found || chosen;
    if (chosen || is_description(file.path)) out.push_back(file);
  }
  if (!found) return no_weights(files, include, id);
  return out;
}

Result<std::vector<RemoteFile>> select_tokenizer(const std::vector<RemoteFile>& files, const ModelId& id) {
  std::vector<RemoteFile> out;
  bool found = false;
  for (const RemoteFile& file : files) {
    if (!is_of_tokenizer(file.path)) continue;
    found = found || file.path == "tokenizer.json";
    out.push_back(file);
  }
  if (found) return out;
  return fail(ErrorCode::not_found, fmt::format("{}: it has no tokenizer.json", to_string(id)),
              "name a repository or a file that has one with --tokenizer");
}

}  // namespace adder::hub
