// formats::parse_safetensors, and the writer on what it accepts.

#include <map>
#include <set>

#include "file.h"
#include "formats/safetensors.h"
#include "formats/store.h"

namespace {

using namespace adder;
using formats::TensorView;

void check_view(std::span<const std::byte> file, const TensorView& view) {
  FUZZ_CHECK(fuzz::inside(file, view.bytes));
  FUZZ_CHECK(view.encoding == formats::Encoding::dense);
  FUZZ_CHECK(static_cast<std::uint64_t>(view.shape.bytes()) == view.bytes.size());
  FUZZ_CHECK(view.shape.elements() * byte_size(view.shape.dtype) == view.shape.bytes());
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  const Status read = formats::read_as_f32(view, values);
  FUZZ_CHECK(read.has_value() == is_float(view.shape.dtype) || values.empty());
}

// Tensors follow one another and fill the data section.
void check_layout(std::span<const std::byte> file, const std::vector<TensorView>& tensors) {
  std::set<std::string_view> names;
  const std::byte* at = nullptr;
  for (const TensorView& view : tensors) {
    FUZZ_CHECK(names.insert(view.name).second);
    check_view(file, view);
    FUZZ_CHECK(at == nullptr || at == view.bytes.data());
    at = view.bytes.data() + view.bytes.size();
  }
  FUZZ_CHECK(at == nullptr || at == file.data() + file.size());
}

void check_round_trip(const formats::SafetensorsContent& content) {
  const std::string path = fuzz::scratch_path("safetensors");
  const Status written = formats::write_safetensors(path, content.tensors, content.metadata);
  FUZZ_CHECK(written.has_value());
  const auto file = formats::SafetensorsFile::open(path);
  std::remove(path.c_str());  // the mapping holds it
  FUZZ_CHECK(file.has_value());
  FUZZ_CHECK((*file)->metadata() == content.metadata);
  FUZZ_CHECK((*file)->tensors().size() == content.tensors.size());
  for (const TensorView& view : content.tensors) {
    const TensorView* same = (*file)->find(view.name);
    FUZZ_CHECK(same != nullptr && same->shape == view.shape);
    FUZZ_CHECK(std::equal(view.bytes.begin(), view.bytes.end(), same->bytes.begin(), same->bytes.end()));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = fuzz::as_bytes(data, size);
  const auto content = formats::parse_safetensors(file, "input");
  if (!content) {
    FUZZ_CHECK(fuzz::is_readable(content.error().message));
    return 0;
  }
  check_layout(file, content->tensors);
  check_round_trip(*content);
  return 0;
}
