#include "formats/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "formats/gguf_file.h"
#include "formats/safetensors.h"
#include "formats/sharded.h"
#include "formats/torch_bin.h"

namespace adder::formats {
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
Result<std::vector<fs::path>> files_in(const fs::path& directory) {
  std::error_code code;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(directory, code), end; !code && at != end; at.increment(code))
    found.push_back(at->path());
  if (code) return system_failure(directory, "read the directory", code.value());
  std::sort(found.begin(), found.end());
  return found;
}

tl::unexpected<Error> no_weights(const fs::path& directory, const std::vector<fs::path>& files) {
  std::string seen;
  for (std::size_t i = 0; i < files.size() && i < 12; ++i)
    seen += (seen.empty() ? "" : ", ") + files[i].filename().string();
  return fail(ErrorCode::not_found,
              fmt::format("{}: no weights; expected one of {}, found {}", directory.string(),
                          fmt::join(kWeights, ", "), seen.empty() ? "an empty directory" : seen),
              "name a weights file directly if it is called something else");
}

Result<std::unique_ptr<TensorSource>> open_source(const fs::path& path) {
  ADDER_TRY(const fs::file_type type, type_of(path));
  if (type == fs::file_type::not_found)
    return fail(ErrorCode::not_found, fmt::format("{}: no such file or directory", path.string()));
  if (type != fs::file_type::directory) return open_file(path);
  for (const char* name : kWeights) {
    ADDER_TRY(const fs::file_type found, type_of(path / name));
    if (found != fs::file_type::not_found) return open_file(path / name);
  }
  ADDER_TRY(const std::vector<fs::path> all, files_in(path));
  std::vector<fs::path> found;
  for (const fs::path& file : all)
    if (file.extension() == ".gguf") found.push_back(file);
  if (found.size() == 1) return open_file(found.front());
  if (found.size() > 1)
    return fail(ErrorCode::not_found,
                fmt::format("{}: expected one GGUF file, found {}, such as {} and {}", path.string(),
                            found.size(), found[0].filename().string(), found[1].filename().string()),
                "name the file to load");
  return no_weights(path, all);
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

}  // namespace adder::formats
