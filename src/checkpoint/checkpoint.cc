#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <set>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/binding.h"
#include "formats/encoding.h"
#include "formats/gguf_file.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConflictsShown = 400;

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
  auto read = arch::read_config(*config);
  return fail(read || read.error().code != ErrorCode::unsupported ? std::move(weights)
                                                                  : std::move(read).error());
}

/// The config: a GGUF file's own, else that beside the weights. What it leaves open the tensors decide.
Result<arch::ConfigRef> config_of(const fs::path& path, const fs::path& directory,
                                  const formats::TensorStore& store) {
  const arch::Stored stored = stored_shapes(store);
  if (const formats::GgufContent* content = store.source().gguf())
    return arch::parse_gguf_keys(formats::gguf_keys(*content), path.string(), stored,
                                 formats::gguf_listed_tokens(*content));
  ADDER_TRY(const fs::path origin, find_config(directory));
  return arch::read_config(origin, stored);
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& path, LogSink& log) {
  ADDER_TRY(const fs::file_type type, type_of(path));
  if (type == fs::file_type::not_found)
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or directory", path.string()));
  fs::path directory = directory_of(path);
  auto opened = formats::TensorStore::open(path);
  if (!opened && opened.error().code != ErrorCode::not_found)
    return refusal(std::move(opened).error(), directory);
  if (!opened) {  // of two things that are missing, the config is said first
    ADDER_TRY([[maybe_unused]] const fs::path origin, find_config(directory));
  }
  ADDER_TRY(formats::TensorStore store, std::move(opened));
  ADDER_TRY(arch::ConfigRef config, config_of(path, directory, store));
  ADDER_TRY(GenerationDefaults generation, read_generation_defaults(directory / "generation_config.json"));
  ADDER_TRY(Binding binding, bind_tensors(*config, store));
  if (!binding.conflicts.empty())
    return conflict_error(path, binding.conflicts, config->describe_stored(stored_shapes(store)));
  for (const std::string& note : binding.notes)
    adder::log(log, LogLevel::info, "{}: {}", path.string(), note);
  return Checkpoint(std::move(directory), std::move(config), std::move(generation), std::move(store),
                    std::move(binding.entries));
}

Checkpoint::Checkpoint(fs::path directory, arch::ConfigRef config, GenerationDefaults generation,
                       formats::TensorStore store, std::vector<Entry> entries)
    : directory_(std::move(directory)),
      config_(std::move(config)),
      generation_(std::move(generation)),
      store_(std::move(store)),
      entries_(std::move(entries)) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    by_name_.emplace(e.field.name, i);
    parameters_ += e.view.shape.elements();
    bytes_ += formats::stored_size(e.view);
  }
}

Result<formats::TensorView> Checkpoint::tensor(std::string_view canonical) const {
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
