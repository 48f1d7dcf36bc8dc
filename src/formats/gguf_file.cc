#include "formats/gguf_file.h"

#include <fmt/format.h>

#include <utility>

namespace adder::formats {
namespace {

Encoding encoding_of(GgmlType type) {
  switch (type) {
    case GgmlType::q4_0:
      return Encoding::q4_0;
    case GgmlType::q8_0:
      return Encoding::q8_0;
    case GgmlType::q4_k:
      return Encoding::q4_k;
    case GgmlType::q6_k:
      return Encoding::q6_k;
    default:
      return Encoding::dense;
  }
}

}  // namespace

std::vector<TensorView> gguf_views(const GgufContent& content, std::string_view origin) {
  std::vector<TensorView> views;
  for (const GgufTensor& tensor : content.tensors)
    views.push_back({.name = tensor.name,
                     .shape = {element_dtype(tensor.type), tensor.dims},
                     .bytes = tensor.bytes,
                     .file = std::string(origin),
                     .encoding = encoding_of(tensor.type)});
  return views;
}

Result<std::unique_ptr<GgufFile>> GgufFile::open(const std::filesystem::path& path) {
  ADDER_TRY(MappedFile file, MappedFile::open(path));
  const std::string origin = path.string();
  ADDER_TRY(GgufContent content, parse_gguf(file.bytes(), origin));
  std::vector<TensorView> tensors = gguf_views(content, origin);
  return std::unique_ptr<GgufFile>(new GgufFile(std::move(file), std::move(content), std::move(tensors)));
}

GgufFile::GgufFile(MappedFile file, GgufContent content, std::vector<TensorView> tensors)
    : file_(std::move(file)), content_(std::move(content)), tensors_(std::move(tensors)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const TensorView* GgufFile::find(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

std::string GgufFile::format() const { return fmt::format("GGUF version {}", content_.version); }

Result<std::optional<Vocabulary>> GgufFile::vocabulary() const {
  return gguf_vocabulary(content_, file_.path().string());
}

}  // namespace adder::formats
