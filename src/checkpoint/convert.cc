#include "checkpoint/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/staged_directory.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPiece = 1 << 20;  // elements read at a time
constexpr const char* kSideFiles[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                      "chat_template.jinja", "generation_config.json"};

bool is_matrix(Role role) {
  return role == Role::embedding || role == Role::in_proj || role == Role::out_proj || role == Role::head;
}

DType target_dtype(const Checkpoint::Entry& entry, const ConvertOptions& options) {
  const DType stored = entry.view.shape.dtype;
  if (!options.dtype || (*options.dtype == DType::bf16 && !is_matrix(entry.spec.role))) return stored;
  return *options.dtype;
}

// A file to be written: tensors as they will be, and what they are made from.
struct Shard {
  std::string name;
  std::vector<TensorHeader> headers;
  std::vector<TensorView> views;
  std::uint64_t bytes = 0;
};

std::vector<Shard> plan(const Checkpoint& source, const ConvertOptions& options) {
  std::vector<Shard> shards(1);
  for (const Checkpoint::Entry& entry : source.entries()) {
    const Shape shape{target_dtype(entry, options), entry.spec.dims};
    const auto bytes = static_cast<std::uint64_t>(shape.bytes());
    if (!shards.back().headers.empty() && shards.back().bytes + bytes > options.max_shard_bytes)
      shards.emplace_back();
    shards.back().headers.push_back({entry.spec.name, shape});
    shards.back().views.push_back(entry.view);
    shards.back().bytes += bytes;
  }
  for (std::size_t i = 0; i < shards.size(); ++i)
    shards[i].name = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

// Early and in one sentence, instead of after many gigabytes; other files may still take the room meanwhile.
Status check_room(const fs::path& directory, std::uint64_t bytes) {
  std::error_code code;
  const fs::space_info space = fs::space(directory, code);
  if (code || space.available >= bytes) return {};
  return fail(ErrorCode::resource_exhausted, fmt::format("{}: {} bytes are free, {} are needed",
                                                         directory.string(), space.available, bytes));
}

Status write_shard(const fs::path& directory, const Shard& shard, const Checkpoint& source,
                   const ConvertOptions& options, ProgressScope& progress) {
  std::vector<std::byte> buffer;
  const auto produce = [&](std::size_t i, const ByteSink& sink) -> Status {
    const DType dtype = shard.headers[i].shape.dtype;
    const std::int64_t total = shard.views[i].shape.elements();
    for (std::int64_t first = 0; first < total; first += kPiece) {
      if (options.cancelled()) return fail(ErrorCode::cancelled, "the conversion was interrupted");
      buffer.resize(static_cast<std::size_t>(std::min(kPiece, total - first) * byte_size(dtype)));
      ADDER_CHECK(read_range_as(shard.views[i], first, dtype, buffer));
      ADDER_CHECK(sink(buffer));
      progress.advance(buffer.size());
    }
    source.release(shard.views[i]);
    return {};
  };
  return write_safetensors(directory / shard.name, shard.headers, produce, {{"format", "pt"}});
}

Status write_text(const fs::path& path, const std::string& text) {
  return write_atomically(path, [&](AtomicFile& file) { return file.write(text); });
}

Status write_index(const fs::path& directory, const std::vector<Shard>& shards, std::uint64_t total) {
  Json map = Json::object();
  for (const Shard& shard : shards)
    for (const TensorHeader& tensor : shard.headers) map[tensor.name] = shard.name;
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}};
  return write_text(directory / "model.safetensors.index.json", index.dump(2) + "\n");
}

Status copy_side_files(const fs::path& from, const fs::path& to) {
  for (const char* name : kSideFiles) {
    std::error_code ignored;
    if (!fs::exists(from / name, ignored)) continue;
    ADDER_TRY(const MappedFile file, MappedFile::open(from / name));
    ADDER_CHECK(write_atomically(to / name, [&](AtomicFile& out) { return out.write(file.bytes()); }));
  }
  return {};
}

Status write_extra_files(const std::map<std::string, std::string>& files, const fs::path& to) {
  std::error_code ignored;
  for (const auto& [name, text] : files)
    if (!fs::exists(to / name, ignored)) ADDER_CHECK(write_text(to / name, text));
  return {};
}

}  // namespace

Result<ConvertReport> convert(const Checkpoint& source, const fs::path& out, const ConvertOptions& options,
                              Progress& progress) {
  if (options.dtype && *options.dtype != DType::f32 && *options.dtype != DType::bf16)
    return fail(ErrorCode::invalid_argument,
                fmt::format("dtype: expected f32 or bf16, found {}", name(*options.dtype)));
  if (options.max_shard_bytes == 0)
    return fail(ErrorCode::invalid_argument, "shard size: expected 1 byte or more, found 0");
  const std::vector<Shard> shards = plan(source, options);
  ConvertReport report;
  report.files = static_cast<std::int64_t>(shards.size());
  for (const Shard& shard : shards) {
    report.tensors += static_cast<std::int64_t>(shard.headers.size());
    report.bytes += shard.bytes;
  }
  ADDER_TRY(StagedDirectory directory, StagedDirectory::create(out));
  ADDER_CHECK(check_room(directory.path(), report.bytes));
  {
    ProgressScope scope(progress, report.bytes, "converting");
    for (const Shard& shard : shards)
      ADDER_CHECK(write_shard(directory.path(), shard, source, options, scope));
  }
  if (shards.size() > 1) ADDER_CHECK(write_index(directory.path(), shards, report.bytes));
  const DType dtype = shards.front().headers.front().shape.dtype;  // the embedding's
  ADDER_CHECK(write_text(directory.path() / "config.json", hugging_face_config(source.config(), dtype)));
  ADDER_CHECK(copy_side_files(source.directory(), directory.path()));
  ADDER_CHECK(write_extra_files(options.extra_files, directory.path()));
  ADDER_CHECK(directory.commit());
  return report;
}

}  // namespace adder::checkpoint
