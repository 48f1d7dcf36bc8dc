#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <set>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/encoding.h"
#include "checkpoint/infer.h"
#include "checkpoint/quantize.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConflictsShown = 400;

struct Matching {
  std::vector<Checkpoint::Entry> entries;
  std::vector<std::string> conflicts, notes;
};

std::string stored_as(const TensorSpec& spec, const TensorView& view) {
  return view.name == spec.name ? view.name : fmt::format("{} (stored as {})", spec.name, view.name);
}

// Pairs an int8 weight with its scale, the other tensor of the two that store it.
void attach_scale(const TensorSpec& spec, TensorView& view, const TensorStore& store, Matching& out) {
  if (view.shape.dtype != DType::s8 || !is_quantised_role(spec.role) || view.shape.dims.size() != 2) return;
  if (const auto problem = attach_scales(view, store.find(scale_name(view)))) {
    out.conflicts.push_back(*problem);
    view.shape.dtype = DType::f32;  // said once is enough
  }
}

void check_one(const TensorSpec& spec, const TensorView& view, Matching& out) {
  const Shape& shape = view.shape;
  if (shape.dims != spec.dims)
    out.conflicts.push_back(fmt::format("{}: wrong shape: expected {}, found {}", stored_as(spec, view),
                                        to_string(spec.dims), to_string(shape.dims)));
  if (!is_float(shape.dtype))
    out.conflicts.push_back(fmt::format("{}: wrong dtype: expected f32, f16, bf16 or f64, found {}",
                                        stored_as(spec, view), name(shape.dtype)));
}

// The stored tensors that go by any of the names of `spec`.
std::vector<const TensorView*> candidates(const TensorSpec& spec, const TensorStore& store) {
  std::vector<const TensorView*> found;
  if (const TensorView* view = store.find(spec.name)) found.push_back(view);
  for (const std::string& alias : spec.aliases)
    if (const TensorView* view = store.find(alias)) found.push_back(view);
  return found;
}

Matching match(const ModelConfig& config, const TensorStore& store) {
  Matching out;
  std::set<std::string_view> known;
  for (TensorSpec& spec : manifest(config)) {
    const std::vector<const TensorView*> found = candidates(spec, store);
    for (const TensorView* view : found) {
      known.insert(view->name);
      const TensorView* scale = view->shape.dtype == DType::s8 && is_quantised_role(spec.role)
                                    ? store.find(scale_name(*view))
                                    : nullptr;
      if (scale != nullptr) known.insert(scale->name);
    }
    if (!spec.used) {
      if (!found.empty()) out.notes.push_back(spec.name + " is stored but not used: the head is tied");
      continue;
    }
    if (found.empty()) {
      out.conflicts.push_back(
          fmt::format("{}: missing: expected {}, found nothing", spec.name, to_string(spec.dims)));
      continue;
    }
    if (found.size() > 1)
      out.conflicts.push_back(
          fmt::format("{}: stored twice, as {} and as {}", spec.name, found[0]->name, found[1]->name));
    TensorView view = *found[0];
    attach_scale(spec, view, store, out);
    check_one(spec, view, out);
    out.entries.push_back({std::move(spec), std::move(view)});
  }
  for (const TensorView& view : store.tensors())
    if (!known.contains(view.name))
      out.conflicts.push_back(fmt::format("{}: surplus: expected nothing, found {}", in_quotes(view.name),
                                          to_string(view.shape)));
  return out;
}

tl::unexpected<Error> conflict_error(const fs::path& path, const std::vector<std::string>& conflicts,
                                     const std::string& hint) {
  std::string message = fmt::format("{}: config and tensors disagree in {} place{}:", path.string(),
                                    conflicts.size(), conflicts.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < conflicts.size() && i < kMaxConflictsShown; ++i)
    message += "\n  " + conflicts[i];
  if (conflicts.size() > kMaxConflictsShown)
    message += fmt::format("\n  and {} more", conflicts.size() - kMaxConflictsShown);
  return fail(ErrorCode::corrupt, std::move(message), hint);
}

fs::path directory_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return path;
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// config.json, or Mistral's params.json where there is none.
Result<fs::path> find_config(const fs::path& directory) {
  for (const char* name : {"config.json", "params.json"}) {
    ADDER_TRY(const fs::file_type type, type_of(directory / name));
    if (type != fs::file_type::not_found) return directory / name;
  }
  return fail(ErrorCode::not_found, fmt::format("{}: no config.json there", directory.string()),
              "a checkpoint directory holds config.json (or Mistral's params.json) beside its weights");
}

// Where the weights are of a type that Adder lacks, the config says better why: "quantised by fp8".
tl::unexpected<Error> refusal(Error weights, const fs::path& directory) {
  if (weights.code != ErrorCode::unsupported) return fail(std::move(weights));
  const Result<fs::path> config = find_config(directory);
  if (!config) return fail(std::move(weights));
  Result<ModelConfig> read = read_config(*config);
  return fail(read || read.error().code != ErrorCode::unsupported ? std::move(weights)
                                                                  : std::move(read).error());
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& path, LogSink& log) {
  ADDER_TRY(const fs::file_type type, type_of(path));
  if (type == fs::file_type::not_found)
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or directory", path.string()));
  fs::path directory = directory_of(path);
  auto opened = TensorStore::open(path);
  if (!opened && opened.error().code != ErrorCode::not_found)
    return refusal(std::move(opened).error(), directory);
  const ModelConfig* own = opened ? opened->source().config() : nullptr;
  ADDER_TRY(const fs::path origin, own != nullptr ? Result<fs::path>(path) : find_config(directory));
  ADDER_TRY(ModelConfig config, own != nullptr ? Result<ModelConfig>(*own) : read_config(origin));
  ADDER_TRY(TensorStore store, std::move(opened));
  ADDER_TRY(GenerationDefaults generation, read_generation_defaults(directory / "generation_config.json"));
  fill_defaults(config, store.source());
  ADDER_CHECK(validate(config, origin.string()));
  Matching matching = match(config, store);
  if (!matching.conflicts.empty())
    return conflict_error(path, matching.conflicts, describe_tensors(store.source()));
  for (const std::string& note : matching.notes)
    adder::log(log, LogLevel::info, "{}: {}", path.string(), note);
  return Checkpoint(std::move(directory), std::move(config), std::move(generation), std::move(store),
                    std::move(matching.entries));
}

Checkpoint::Checkpoint(fs::path directory, ModelConfig config, GenerationDefaults generation,
                       TensorStore store, std::vector<Entry> entries)
    : directory_(std::move(directory)),
      config_(std::move(config)),
      generation_(std::move(generation)),
      store_(std::move(store)),
      entries_(std::move(entries)) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    by_name_.emplace(e.spec.name, i);
    parameters_ += e.view.shape.elements();
    bytes_ += stored_size(e.view);
  }
}

Result<TensorView> Checkpoint::tensor(std::string_view canonical) const {
  const auto it = by_name_.find(canonical);
  if (it == by_name_.end())
    return fail(ErrorCode::not_found,
                fmt::format("{}: this model has no tensor {}", directory_.string(), in_quotes(canonical)));
  return entries_[it->second].view;
}

Status Checkpoint::check_unchanged() const {
  for (const MappedFile* file : store_.source().files()) ADDER_CHECK(file->check_unchanged());
  return {};
}

bool Checkpoint::holds(const fs::path& path) const {
  std::error_code ignored;
  for (const MappedFile* file : store_.source().files())
    if (would_replace(path, file->path())) return true;
  return path.extension() == ".json" && fs::exists(path, ignored) &&
         fs::equivalent(folder_of(path), directory_, ignored);
}

}  // namespace adder::checkpoint
