#include "checkpoint/store.h"

#include <fmt/format.h>

#include <system_error>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/sharded.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConvertHint =
    "convert it to model.safetensors first (save_pretrained(..., safe_serialization=True) does so)";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

tl::unexpected<Error> unsupported_format(const fs::path& path, std::string_view format) {
  return fail(ErrorCode::unsupported,
              fmt::format("{}: weights in the {} format are unsupported; expected safetensors", path.string(),
                          format),
              kConvertHint);
}

std::string_view foreign_format(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".bin" || extension == ".pt" || extension == ".pth") return "PyTorch (pickle)";
  if (extension == ".gguf") return "GGUF";
  return {};
}

Result<std::unique_ptr<TensorSource>> open_file(const fs::path& path) {
  if (path.filename().string().ends_with(".index.json")) {
    ADDER_TRY(std::unique_ptr<TensorSource> source, ShardedSafetensors::open(path));
    return source;
  }
  if (const std::string_view format = foreign_format(path); !format.empty())
    return unsupported_format(path, format);
  ADDER_TRY(std::unique_ptr<TensorSource> source, SafetensorsFile::open(path));
  return source;
}

tl::unexpected<Error> no_weights(const fs::path& directory) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (is_file(directory / name)) return unsupported_format(directory / name, "PyTorch (pickle)");
  std::error_code ignored;
  std::string seen;
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().extension() == ".gguf") return unsupported_format(entry.path(), "GGUF");
    if (++count <= 12) seen += (seen.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return fail(
      ErrorCode::not_found,
      fmt::format("{}: no weights; expected model.safetensors or model.safetensors.index.json, found {}",
                  directory.string(), seen.empty() ? "an empty directory" : seen),
      "name a weights file directly if it is called something else");
}

Result<std::unique_ptr<TensorSource>> open_source(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status))
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or directory", path.string()));
  if (!fs::is_directory(status)) return open_file(path);
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"})
    if (fs::exists(path / name, code)) return open_file(path / name);
  return no_weights(path);
}

}  // namespace

Result<TensorStore> TensorStore::open(const fs::path& path) {
  ADDER_TRY(std::unique_ptr<TensorSource> source, open_source(path));
  return TensorStore(std::move(source));
}

std::vector<std::string> TensorStore::names() const {
  std::vector<std::string> names;
  names.reserve(tensors().size());
  for (const TensorView& t : tensors()) names.push_back(t.name);
  return names;
}

}  // namespace adder::checkpoint
