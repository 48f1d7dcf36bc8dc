#include "formats/encoding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "formats/ggml_types.h"
#include "formats/int8_rows.h"
#include "formats/safetensors_dtype.h"
#include "formats/store.h"

namespace adder::formats {
namespace {

GgmlType block_type(Encoding encoding) {
  switch (encoding) {
    case Encoding::q4_0:
      return GgmlType::q4_0;
    case Encoding::q8_0:
      return GgmlType::q8_0;
    case Encoding::q4_k:
      return GgmlType::q4_k;
    case Encoding::q6_k:
      return GgmlType::q6_k;
    default:
      return GgmlType::f32;
  }
}

// In float64, so that the one rounding that counts is the last: see GgufFile for what that guarantees.
void decode_negative_exp(const TensorView& view, std::size_t first, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    float a;
    std::memcpy(&a, view.bytes.data() + (first + i) * sizeof a, sizeof a);
    out[i] = static_cast<float>(std::log(-static_cast<double>(a)));
  }
}

}  // namespace

void decode_range(const TensorView& view, std::int64_t first, std::span<float> out) {
  auto at = static_cast<std::size_t>(first);
  if (view.encoding == Encoding::negative_exp) return decode_negative_exp(view, at, out);
  if (view.encoding == Encoding::int8_rows) return decode_int8_rows(view, at, out);
  const GgmlType type = block_type(view.encoding);
  const auto elements = static_cast<std::size_t>(block_elements(type)),
             bytes = static_cast<std::size_t>(block_bytes(type));
  std::array<float, kLargestGgmlBlock> block;
  while (!out.empty()) {
    const std::size_t skip = at % elements, n = std::min(elements - skip, out.size());
    const bool whole = n == elements;
    const std::span<float> target = whole ? out.first(n) : std::span<float>(block.data(), elements);
    dequantise_block(type, view.bytes.subspan(at / elements * bytes, bytes), target);
    if (!whole) std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(skip), n, out.begin());
    out = out.subspan(n);
    at += n;
  }
}

Status read_decay(const TensorView& view, std::span<float> out) {
  if (view.encoding == Encoding::negative_exp && out.size_bytes() == view.bytes.size()) {
    std::memcpy(out.data(), view.bytes.data(), out.size_bytes());
    return {};
  }
  ADDER_CHECK(read_as_f32(view, out));
  for (float& a : out) a = static_cast<float>(-std::exp(static_cast<double>(a)));
  return {};
}

std::string stored_type(const TensorView& view) {
  if (view.encoding == Encoding::int8_rows) return std::string(safetensors_name(DType::s8));
  if (view.encoding == Encoding::dense || view.encoding == Encoding::negative_exp)
    return std::string(safetensors_name(view.shape.dtype));
  return ggml_type_name(block_type(view.encoding));
}

std::int64_t stored_size(const TensorView& view) {
  return static_cast<std::int64_t>(view.bytes.size() + view.scales.size());
}

}  // namespace adder::formats
