#include "formats/torch_bin.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/json.h"
#include "formats/torch_state.h"
#include "formats/zip_archive.h"

namespace adder::formats {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kMaxPickle = 16u << 20;

// Before PyTorch 1.6 a file was bare pickles: first a magic number, as a 10-byte integer of protocol 2.
bool is_legacy(Bytes bytes) {
  constexpr unsigned char kStart[] = {0x80, 0x02, 0x8a, 0x0a};
  return bytes.size() >= sizeof kStart && std::memcmp(bytes.data(), kStart, sizeof kStart) == 0;
}

// "NAME/" of the entry NAME/data.pkl.
Result<std::string> find_folder(const ZipArchive& archive, std::string_view origin) {
  constexpr std::string_view kPickle = "/data.pkl";
  for (const auto& [name, entry] : archive.entries())
    if (name.ends_with(kPickle)) return name.substr(0, name.size() - kPickle.size() + 1);
  return fail(ErrorCode::corrupt,
              fmt::format("{}: a zip archive without data.pkl; expected a file of torch.save", origin));
}

Status check_byte_order(const ZipArchive& archive, const std::string& folder, std::string_view origin) {
  if (!archive.entries().contains(folder + "byteorder")) return {};
  ADDER_TRY(const Bytes order, archive.stored(folder + "byteorder"));
  const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
  if (text == "little") return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{}: byte order {}; expected \"little\"", origin, in_quotes(text)));
}

// The elements of one tensor in row-major order, out of a storage in which they lie otherwise.
void gather(const TorchTensor& tensor, Bytes storage, std::byte* out) {
  const auto width = static_cast<std::size_t>(byte_size(tensor.shape.dtype));
  const Dims& dims = tensor.shape.dims;
  Dims index(dims.size(), 0);
  std::int64_t at = tensor.offset;
  for (std::int64_t n = tensor.shape.elements(); n > 0; --n) {
    std::memcpy(out, storage.data() + static_cast<std::size_t>(at) * width, width);
    out += width;
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      at += tensor.strides[axis];
      if (++index[axis] < dims[axis]) break;
      at -= tensor.strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

Result<std::unique_ptr<TorchFile>> TorchFile::open(const std::filesystem::path& path) {
  ADDER_TRY(MappedFile file, MappedFile::open(path));
  std::unique_ptr<TorchFile> torch(new TorchFile(std::move(file)));
  ADDER_CHECK(torch->read());
  return torch;
}

Status TorchFile::read() {
  const std::string origin = file_.path().string();
  if (is_legacy(file_.bytes()))
    return fail(ErrorCode::unsupported,
                origin + ": written in PyTorch's format from before version 1.6; expected a zip archive",
                "load it with torch.load and write it again with torch.save, or convert it to safetensors");
  ADDER_TRY(const ZipArchive archive, ZipArchive::open(file_.bytes(), origin));
  ADDER_TRY(const std::string folder, find_folder(archive, origin));
  ADDER_CHECK(check_byte_order(archive, folder, origin));
  ADDER_TRY(const Bytes pickle, archive.stored(folder + "data.pkl"));
  if (pickle.size() > kMaxPickle)
    return fail(ErrorCode::corrupt, fmt::format("{}: data.pkl has {} bytes; expected at most {}", origin,
                                                pickle.size(), kMaxPickle));
  ADDER_TRY(const std::vector<TorchTensor> tensors, parse_torch_state(pickle, origin + " (data.pkl)"));
  for (const TorchTensor& tensor : tensors) {
    ADDER_TRY(const Bytes storage, archive.stored(folder + "data/" + tensor.storage));
    ADDER_CHECK(add(tensor, storage));
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
  return {};
}

Status TorchFile::add(const TorchTensor& tensor, Bytes storage) {
  const std::string origin = file_.path().string();
  const auto width = static_cast<std::uint64_t>(byte_size(tensor.shape.dtype));
  if (static_cast<std::uint64_t>(tensor.storage_bytes) != storage.size())
    return fail(
        ErrorCode::corrupt,
        fmt::format("{}: tensor {}: expected {} bytes in its storage {}, found {}", origin,
                    in_quotes(tensor.name), tensor.storage_bytes, in_quotes(tensor.storage), storage.size()));
  const auto bytes = static_cast<std::uint64_t>(tensor.shape.bytes());
  TensorView view{.name = tensor.name, .shape = tensor.shape, .bytes = {}, .file = origin};
  if (bytes > 0 && tensor.is_dense()) {
    view.bytes = storage.subspan(static_cast<std::size_t>(tensor.offset) * width, bytes);
  } else if (bytes > 0) {
    // Strides of 0 can make a few bytes look like any number, so copies need a bound.
    if (bytes > file_.bytes().size() - copied_)
      return fail(
          ErrorCode::unsupported,
          fmt::format("{}: tensor {}: with strides {} it repeats its storage; expected a plain tensor",
                      origin, in_quotes(tensor.name), to_string(tensor.strides)),
          "save tensor.contiguous() instead");
    copied_ += bytes;
    copies_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    gather(tensor, storage, copies_.back().get());
    view.bytes = {copies_.back().get(), bytes};
  }
  tensors_.push_back(std::move(view));
  return {};
}

const TensorView* TorchFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

void TorchFile::release(const TensorView& view) const { file_.advise(view.bytes, Advice::dont_need); }

}  // namespace adder::formats
