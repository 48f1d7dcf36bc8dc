#include "checkpoint/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/staged_directory.h"
#include "formats/int8_rows.h"
#include "formats/safetensors.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPiece = 1 << 20;  // elements read at a time
constexpr const char* kSideFiles[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                      "chat_template.jinja", "generation_config.json"};

bool becomes_int8(const Checkpoint::Entry& entry, const ConvertOptions& options) {
  if (!options.dtype) return entry.view.encoding == formats::Encoding::int8_rows;
  return *options.dtype == DType::s8 && entry.field.matrix;
}

// Of a tensor that does not become int8.
DType target_dtype(const Checkpoint::Entry& entry, const ConvertOptions& options) {
  const DType stored = entry.view.shape.dtype;
  const bool keep =
      !options.dtype || *options.dtype == DType::s8 || (*options.dtype == DType::bf16 && !entry.field.matrix);
  return keep ? stored : *options.dtype;
}

// What a tensor to be written holds of the one it is made from.
enum class Part { elements, int8_values, int8_scales };

// A file to be written: tensors as they will be, and what they are made from.
struct Shard {
  std::string name;
  std::vector<formats::TensorHeader> headers;
  std::vector<formats::TensorView> views;
  std::vector<Part> parts;
  std::uint64_t bytes = 0;

  void add(std::string tensor, const Shape& shape, const formats::TensorView& view, Part part) {
    headers.push_back({std::move(tensor), shape});
    views.push_back(view);
    parts.push_back(part);
    bytes += static_cast<std::uint64_t>(shape.bytes());
  }
};

// One tensor, or a weight and its scale, which stay in one file.
Shard converted(const Checkpoint::Entry& entry, const ConvertOptions& options) {
  Shard out;
  const auto& [field, view] = entry;
  if (becomes_int8(entry, options)) {
    out.add(field.name, {DType::s8, field.dims}, view, Part::int8_values);
    out.add(field.name + "_scale", {DType::f32, {field.dims[0], 1}}, view, Part::int8_scales);
  } else {
    out.add(field.name, {target_dtype(entry, options), field.dims}, view, Part::elements);
  }
  return out;
}

std::vector<Shard> plan(const Checkpoint& source, const ConvertOptions& options) {
  std::vector<Shard> shards(1);
  for (const Checkpoint::Entry& entry : source.entries()) {
    const Shard next = converted(entry, options);
    if (!shards.back().headers.empty() && shards.back().bytes + next.bytes > options.max_shard_bytes)
      shards.emplace_back();
    for (std::size_t i = 0; i < next.headers.size(); ++i)
      shards.back().add(next.headers[i].name, next.headers[i].shape, next.views[i], next.parts[i]);
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

using Reader = std::function<Status(std::int64_t first, std::span<std::byte> out)>;

// Elements [first, first + n) of the tensor that `part` of `view` makes; whole rows if they are int8 values.
Reader reader(const formats::TensorView& view, Part part, DType dtype) {
  switch (part) {
    case Part::int8_scales:
      return [view](std::int64_t first, std::span<std::byte> out) {
        return formats::read_int8_scales(view, first,
                                         {reinterpret_cast<float*>(out.data()), out.size() / sizeof(float)});
      };
    case Part::int8_values:
      return [view](std::int64_t first, std::span<std::byte> out) {
        const std::int64_t width = view.shape.dims[1];
        std::vector<float> scales(out.size() / static_cast<std::size_t>(width));
        return formats::read_int8_rows(view, first / width,
                                       {reinterpret_cast<std::int8_t*>(out.data()), out.size()}, scales);
      };
    default:
      return [view, dtype](std::int64_t first, std::span<std::byte> out) {
        return formats::read_range_as(view, first, dtype, out);
      };
  }
}

// How many elements to ask the reader for at a time.
std::int64_t piece_of(const formats::TensorView& view, Part part) {
  if (part == Part::elements) return kPiece;
  const std::int64_t width = std::max<std::int64_t>(1, view.shape.dims[1]);
  const std::int64_t rows = std::max<std::int64_t>(1, kPiece / width);
  return part == Part::int8_scales ? rows : rows * width;
}

Status write_shard(const fs::path& directory, const Shard& shard, const Checkpoint& source,
                   const ConvertOptions& options, ProgressScope& progress) {
  std::vector<std::byte> buffer;
  const auto produce = [&](std::size_t i, const formats::ByteSink& sink) -> Status {
    const Shape& shape = shard.headers[i].shape;
    const Reader read = reader(shard.views[i], shard.parts[i], shape.dtype);
    const std::int64_t total = shape.elements(), piece = piece_of(shard.views[i], shard.parts[i]);
    for (std::int64_t first = 0; first < total; first += piece) {
      if (options.cancelled()) return fail(ErrorCode::cancelled, "the conversion was interrupted");
      buffer.resize(static_cast<std::size_t>(std::min(piece, total - first) * byte_size(shape.dtype)));
      ADDER_CHECK(read(first, buffer));
      ADDER_CHECK(sink(buffer));
      progress.advance(buffer.size());
    }
    source.release(shard.views[i]);
    return {};
  };
  return formats::write_safetensors(directory / shard.name, shard.headers, produce, {{"format", "pt"}});
}

Status write_text(const fs::path& path, const std::string& text) {
  return write_atomically(path, [&](AtomicFile& file) { return file.write(text); });
}

Status write_index(const fs::path& directory, const std::vector<Shard>& shards, std::uint64_t total) {
  Json map = Json::object();
  for (const Shard& shard : shards)
    for (const formats::TensorHeader& tensor : shard.headers) map[tensor.name] = shard.name;
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}};
  return write_text(directory / "model.safetensors.index.json", index.dump(2) + "\n");
}

std::string config_text(const Checkpoint& source, const ConvertOptions& options) {
  bool int8 = false;
  DType dtype = DType::f32;  // of the first that stays float: the embedding if it does, else a norm
  for (const Checkpoint::Entry& entry : source.entries() | std::views::reverse) {
    const bool quantised = becomes_int8(entry, options);
    int8 = int8 || quantised;
    if (!quantised) dtype = target_dtype(entry, options);
  }
  return hugging_face_config(source.config(), dtype, int8);
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
  if (options.dtype && *options.dtype != DType::f32 && *options.dtype != DType::bf16 &&
      *options.dtype != DType::s8)
    return fail(ErrorCode::invalid_argument,
                fmt::format("dtype: expected f32, bf16 or s8, found {}", name(*options.dtype)));
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
  ADDER_CHECK(write_text(directory.path() / "config.json", config_text(source, options)));
  ADDER_CHECK(copy_side_files(source.directory(), directory.path()));
  ADDER_CHECK(write_extra_files(options.extra_files, directory.path()));
  ADDER_CHECK(source.check_unchanged());
  ADDER_CHECK(directory.commit());
  return report;
}

}  // namespace adder::checkpoint
