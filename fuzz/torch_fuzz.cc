// formats::ZipArchive and formats::TorchFile.

#include "file.h"
#include "formats/store.h"
#include "formats/torch_bin.h"
#include "formats/zip_archive.h"

namespace {

using namespace adder;
using formats::TensorView;

void check_archive(std::span<const std::byte> bytes) {
  const auto archive = formats::ZipArchive::open(bytes, "input");
  if (!archive) {
    FUZZ_CHECK(fuzz::is_readable(archive.error().message));
    return;
  }
  for (const auto& [name, entry] : archive->entries()) {
    const auto stored = archive->stored(name);
    if (stored) {
      FUZZ_CHECK(stored->size() == entry.size);
      FUZZ_CHECK(fuzz::inside(bytes, *stored));
    } else {
      FUZZ_CHECK(fuzz::is_readable(stored.error().message));
    }
  }
  FUZZ_CHECK(!archive->stored("no such entry").has_value() || archive->entries().contains("no such entry"));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::as_bytes(data, size);
  check_archive(bytes);
  const fuzz::MemoryFile file(bytes);
  const auto torch = formats::TorchFile::open(file.path());
  if (!torch) {
    FUZZ_CHECK(fuzz::is_readable(torch.error().message));
    return 0;
  }
  for (const TensorView& view : (*torch)->tensors()) {
    FUZZ_CHECK((*torch)->find(view.name) == &view);
    FUZZ_CHECK(static_cast<std::uint64_t>(view.shape.bytes()) == view.bytes.size());
    FUZZ_CHECK(view.bytes.size() <= size);
    std::vector<std::byte> copy(view.bytes.size());
    FUZZ_CHECK(formats::read_as(view, view.shape.dtype, copy).has_value());
    (*torch)->release(view);
    FUZZ_CHECK(std::equal(copy.begin(), copy.end(), view.bytes.begin(), view.bytes.end()));
  }
  return 0;
}
