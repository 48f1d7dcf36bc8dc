#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/safetensors_dtype.h"
#include "formats/store.h"

namespace adder::formats {
namespace {

constexpr std::size_t kAlignment = 64;  // what PJRT plugins use in place

Status check_headers(const std::string& path, std::span<const TensorHeader> tensors) {
  std::set<std::string_view> seen;
  const auto invalid = [&](const TensorHeader& t, std::string_view what) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: tensor {}: {}", path, in_quotes(t.name), what));
  };
  for (const TensorHeader& t : tensors) {
    if (t.name == "__metadata__") return invalid(t, "the name is reserved for metadata");
    if (!seen.insert(t.name).second) return invalid(t, "the name is given twice");
    if (std::any_of(t.shape.dims.begin(), t.shape.dims.end(), [](std::int64_t d) { return d < 0; }))
      return invalid(t, "negative dimension in " + to_string(t.shape));
  }
  return {};
}

// JSON text of one string. Building the header piece by piece keeps the tensors in data order.
Result<std::string> json_string(const std::string& path, const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: {} is not UTF-8 text", path, in_quotes(text)));
  }
}

Result<std::string> header_text(const std::string& path, std::span<const TensorHeader> tensors,
                                std::span<const std::size_t> order, const Metadata& metadata) {
  std::string text = "{";
  const auto separate = [&] {
    if (text.size() > 1) text += ',';
  };
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (auto it = metadata.begin(); it != metadata.end(); ++it) {
      ADDER_TRY(const std::string key, json_string(path, it->first));
      ADDER_TRY(const std::string value, json_string(path, it->second));
      text += fmt::format("{}{}:{}", it == metadata.begin() ? "" : ",", key, value);
    }
    text += '}';
  }
  std::int64_t at = 0;
  for (const std::size_t i : order) {
    const TensorHeader& t = tensors[i];
    ADDER_TRY(const std::string name, json_string(path, t.name));
    separate();
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", name,
                        safetensors_name(t.shape.dtype), to_string(t.shape.dims), at, at + t.shape.bytes());
    at += t.shape.bytes();
  }
  text += '}';
  text.append(kAlignment - 1 - (8 + text.size() + kAlignment - 1) % kAlignment, ' ');
  return text;
}

Status write_tensor(AtomicFile& file, const std::string& path, const TensorHeader& tensor, std::size_t index,
                    const TensorProducer& producer) {
  std::uint64_t got = 0;
  ADDER_CHECK(producer(index, [&](std::span<const std::byte> bytes) {
    got += bytes.size();
    return file.write(bytes);
  }));
  if (got != static_cast<std::uint64_t>(tensor.shape.bytes()))
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: tensor {}: {} needs {} bytes, given {}", path, in_quotes(tensor.name),
                            to_string(tensor.shape), tensor.shape.bytes(), got));
  return {};
}

// In the view's dtype; other encodings are expanded through a small buffer.
Status write_elements(const TensorView& view, const ByteSink& sink) {
  if (view.encoding == Encoding::dense) return sink(view.bytes);
  constexpr std::int64_t kPiece = 16384;
  std::vector<std::byte> buffer;
  const std::int64_t total = view.shape.elements();
  for (std::int64_t first = 0; first < total; first += kPiece) {
    buffer.resize(static_cast<std::size_t>(std::min(kPiece, total - first) * byte_size(view.shape.dtype)));
    ADDER_CHECK(read_range_as(view, first, view.shape.dtype, buffer));
    ADDER_CHECK(sink(buffer));
  }
  return {};
}

}  // namespace

Result<SafetensorsHead> safetensors_head(const std::filesystem::path& path,
                                         std::span<const TensorHeader> tensors, const Metadata& metadata) {
  const std::string shown = path.string();
  ADDER_CHECK(check_headers(shown, tensors));
  SafetensorsHead out;
  out.order.resize(tensors.size());
  std::iota(out.order.begin(), out.order.end(), std::size_t{0});
  const auto rank = [&](std::size_t i) {
    const Shape& shape = tensors[i].shape;
    return std::pair(shape.bytes() % static_cast<std::int64_t>(kAlignment) != 0, -byte_size(shape.dtype));
  };
  std::stable_sort(out.order.begin(), out.order.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  ADDER_TRY(const std::string header, header_text(shown, tensors, out.order, metadata));
  for (std::size_t i = 0; i < 8; ++i) out.bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  out.bytes += header;
  return out;
}

Status write_safetensors(const std::filesystem::path& path, std::span<const TensorHeader> tensors,
                         const TensorProducer& producer, const Metadata& metadata) {
  ADDER_TRY(const SafetensorsHead head, safetensors_head(path, tensors, metadata));
  return write_atomically(path, [&](AtomicFile& file) -> Status {
    ADDER_CHECK(file.write(head.bytes));
    for (const std::size_t i : head.order)
      ADDER_CHECK(write_tensor(file, path.string(), tensors[i], i, producer));
    return {};
  });
}

Status write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const Metadata& metadata) {
  std::vector<TensorHeader> headers;
  for (const TensorView& t : tensors) headers.push_back({t.name, t.shape});
  return write_safetensors(
      path, headers, [&](std::size_t i, const ByteSink& sink) { return write_elements(tensors[i], sink); },
      metadata);
}

}  // namespace adder::formats
