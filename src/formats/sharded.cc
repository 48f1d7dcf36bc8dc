#include "formats/sharded.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "base/json.h"

namespace adder::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxProblemsShown = 20;

// An index comes from somewhere else; it must not make us read outside its own directory.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == std::string::npos &&
         name.find('\0') == std::string::npos;
}

using ShardMap = std::map<std::string, std::vector<std::string>>;  // file -> tensors

Result<ShardMap> read_index(const fs::path& index) {
  const std::string where = index.string();
  ADDER_TRY(const Json json, read_json_file(index, {.max_depth = 16, .reject_duplicate_keys = true}));
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object())
    return fail(ErrorCode::corrupt,
                where + ": weight_map: expected an object from tensor names to file names");
  ShardMap shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>()))
      return fail(
          ErrorCode::corrupt,
          fmt::format("{}: weight_map.{}: expected the plain name of a file beside the index, found {}",
                      where, in_quotes(tensor), describe(file)));
    shards[file.get<std::string>()].push_back(tensor);
  }
  if (shards.empty()) return fail(ErrorCode::corrupt, where + ": weight_map is empty");
  return shards;
}

void compare(const TensorSource& shard, const std::string& name, const std::vector<std::string>& assigned,
             std::vector<std::string>& problems) {
  const std::string file = in_quotes(name);
  for (const std::string& tensor : assigned)
    if (shard.find(tensor) == nullptr)
      problems.push_back(
          fmt::format("{}: the index places it in {}, which does not hold it", in_quotes(tensor), file));
  const std::unordered_set<std::string_view> expected(assigned.begin(), assigned.end());
  for (const TensorView& view : shard.tensors())
    if (!expected.contains(view.name))
      problems.push_back(
          fmt::format("{}: {} holds it, but the index does not place it there", in_quotes(view.name), file));
}

tl::unexpected<Error> disagreement(const fs::path& index, const std::vector<std::string>& problems) {
  std::string message = fmt::format("{}: the index and its shards disagree:", index.string());
  for (std::size_t i = 0; i < problems.size() && i < kMaxProblemsShown; ++i) message += "\n  " + problems[i];
  if (problems.size() > kMaxProblemsShown)
    message += fmt::format("\n  and {} more", problems.size() - kMaxProblemsShown);
  return fail(ErrorCode::corrupt, std::move(message), "index and shards may come from different revisions");
}

}  // namespace

Result<std::unique_ptr<ShardedSource>> ShardedSource::open(const fs::path& index, const Opener& open_shard) {
  ADDER_TRY(const ShardMap map, read_index(index));
  std::unique_ptr<ShardedSource> source(new ShardedSource);
  std::vector<std::string> problems;
  for (const auto& [file, assigned] : map) {
    auto shard = open_shard(index.parent_path() / file);
    if (!shard && shard.error().code == ErrorCode::not_found)
      return fail(ErrorCode::not_found,
                  fmt::format("{}: shard {} is missing ({} tensors)", index.string(), in_quotes(file),
                              assigned.size()),
                  "download all files that the index names");
    if (!shard) return fail(std::move(shard).error());
    compare(**shard, file, assigned, problems);
    for (const TensorView& view : (*shard)->tensors()) {
      source->tensors_.push_back(view);
      source->shard_of_.push_back(source->shards_.size());
    }
    source->shards_.push_back(*std::move(shard));
  }
  if (!problems.empty()) return disagreement(index, problems);
  for (std::size_t i = 0; i < source->tensors_.size(); ++i)
    source->by_name_.emplace(source->tensors_[i].name, i);
  return source;
}

const TensorView* ShardedSource::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

std::string ShardedSource::format() const {
  return fmt::format("{}, {} shards", shards_.front()->format(), shards_.size());
}

void ShardedSource::release(const TensorView& view) const {
  const auto it = by_name_.find(view.name);
  if (it != by_name_.end()) shards_[shard_of_[it->second]]->release(view);
}

std::shared_ptr<const std::byte> ShardedSource::share(const TensorView& view) const {
  const auto it = by_name_.find(view.name);
  return it == by_name_.end() ? nullptr : shards_[shard_of_[it->second]]->share(view);
}

bool ShardedSource::is_shared() const {
  return std::any_of(shards_.begin(), shards_.end(), [](const auto& shard) { return shard->is_shared(); });
}

std::vector<const MappedFile*> ShardedSource::files() const {
  std::vector<const MappedFile*> out;
  for (const auto& shard : shards_)
    for (const MappedFile* file : shard->files()) out.push_back(file);
  return out;
}

}  // namespace adder::formats
