#include "checkpoint/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/sharded.h"
#include "checkpoint/torch_bin.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

// What a directory's weights may be called, in order of preference. Mistral's own file comes last, since a
// directory that has it may hold the same weights under Hugging Face's names too.
constexpr std::array kWeights = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                 "pytorch_model.bin.index.json", "consolidated.safetensors"};

Result<std::unique_ptr<TensorSource>> open_one(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".bin" || extension == ".pt" || extension == ".pth") {
    ADDER_TRY(std::unique_ptr<TensorSource> source, TorchFile::open(path));
    return source;
  }
  if (extension == ".gguf") {
    ADDER_TRY(std::unique_ptr<TensorSource> source, GgufFile::open(path));
    return source;
  }
  ADDER_TRY(std::unique_ptr<TensorSource> source, SafetensorsFile::open(path));
  return source;
}

Result<std::unique_ptr<TensorSource>> open_file(const fs::path& path) {
  if (!path.filename().string().ends_with(".index.json")) return open_one(path);
  ADDER_TRY(std::unique_ptr<TensorSource> source, ShardedSource::open(path, open_one));
  return source;
}

// Sorted, so that messages do not depend on the file system.
std::vector<fs::path> gguf_files(const fs::path& directory) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored))
    if (entry.path().extension() == ".gguf") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

tl::unexpected<Error> no_weights(const fs::path& directory) {
  std::error_code ignored;
  std::string seen;
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored)) {
    if (++count <= 12) seen += (seen.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return fail(ErrorCode::not_found,
              fmt::format("{}: no weights; expected one of {}, found {}", directory.string(),
                          fmt::join(kWeights, ", "), seen.empty() ? "an empty directory" : seen),
              "name a weights file directly if it is called something else");
}

Result<std::unique_ptr<TensorSource>> open_source(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status))
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or directory", path.string()));
  if (!fs::is_directory(status)) return open_file(path);
  for (const char* name : kWeights)
    if (fs::exists(path / name, code)) return open_file(path / name);
  if (const std::vector<fs::path> found = gguf_files(path); found.size() == 1)
    return open_file(found.front());
  else if (found.size() > 1)
    return fail(ErrorCode::not_found,
                fmt::format("{}: expected one GGUF file, found {}, such as {} and {}", path.string(),
                            found.size(), found[0].filename().string(), found[1].filename().string()),
                "name the file to load");
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
