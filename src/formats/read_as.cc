#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/half.h"
#include "base/json.h"
#include "formats/encoding.h"
#include "formats/store.h"

namespace adder::formats {
namespace {

// Elements converted at a time: small enough for the stack and the first-level cache. Going through aligned
// arrays also makes the alignment of both ends irrelevant.
constexpr std::size_t kBlock = 1024;

bool converts_from(DType dtype) { return is_float(dtype); }
bool converts_to(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

void load_f32(DType from, const std::byte* in, std::span<float> out) {
  std::array<std::uint16_t, kBlock> half;
  const std::span<std::uint16_t> bits(half.data(), out.size());
  switch (from) {
    case DType::f16:
      std::memcpy(bits.data(), in, bits.size_bytes());
      return f16_to_f32(bits, out);
    case DType::bf16:
      std::memcpy(bits.data(), in, bits.size_bytes());
      return bf16_to_f32(bits, out);
    default:
      std::memcpy(out.data(), in, out.size_bytes());
  }
}

void store_f32(DType to, std::span<const float> in, std::byte* out) {
  std::array<std::uint16_t, kBlock> half;
  const std::span<std::uint16_t> bits(half.data(), in.size());
  switch (to) {
    case DType::f16:
      f32_to_f16(in, bits);
      break;
    case DType::bf16:
      f32_to_bf16(in, bits);
      break;
    default:
      std::memcpy(out, in.data(), in.size_bytes());
      return;
  }
  std::memcpy(out, bits.data(), bits.size_bytes());
}

// Doubles go straight to the target, since a stop at float32 would round twice.
void convert_f64(const std::byte* in, std::size_t n, DType to, std::byte* out) {
  for (std::size_t i = 0; i < n; ++i) {
    double value;
    std::memcpy(&value, in + i * sizeof value, sizeof value);
    if (to == DType::f32) {
      const auto narrow = static_cast<float>(value);
      std::memcpy(out + i * sizeof narrow, &narrow, sizeof narrow);
    } else {
      const std::uint16_t bits = to == DType::f16 ? f64_to_f16(value) : f64_to_bf16(value);
      std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
    }
  }
}

void convert(DType from, const std::byte* in, std::size_t n, DType to, std::byte* out) {
  if (from == DType::f64) return convert_f64(in, n, to, out);
  std::array<float, kBlock> wide;
  const auto in_width = static_cast<std::size_t>(byte_size(from)),
             out_width = static_cast<std::size_t>(byte_size(to));
  for (std::size_t i = 0; i < n; i += kBlock) {
    const std::span<float> block(wide.data(), std::min(kBlock, n - i));
    load_f32(from, in + i * in_width, block);
    store_f32(to, block, out + i * out_width);
  }
}

void convert_encoded(const TensorView& view, std::int64_t first, std::size_t n, DType to, std::byte* out) {
  std::array<float, kBlock> wide;
  const auto out_width = static_cast<std::size_t>(byte_size(to));
  for (std::size_t i = 0; i < n; i += kBlock) {
    const std::span<float> block(wide.data(), std::min(kBlock, n - i));
    decode_range(view, first + static_cast<std::int64_t>(i), block);
    store_f32(to, block, out + i * out_width);
  }
}

}  // namespace

Status read_range_as(const TensorView& view, std::int64_t first, DType dtype, std::span<std::byte> out) {
  const auto width = static_cast<std::size_t>(byte_size(dtype));
  const auto in_width = static_cast<std::size_t>(byte_size(view.shape.dtype));
  const std::size_t n = out.size() / width, total = static_cast<std::size_t>(view.shape.elements());
  if (out.size() % width != 0 || first < 0 || static_cast<std::size_t>(first) > total ||
      n > total - static_cast<std::size_t>(first))
    return fail(ErrorCode::invalid_argument,
                fmt::format("read of tensor {}: {} bytes as {} from element {} of {}", in_quotes(view.name),
                            out.size(), name(dtype), first, total));
  if (n == 0) return {};
  const bool dense = view.encoding == Encoding::dense;
  const std::byte* in = view.bytes.data() + (dense ? static_cast<std::size_t>(first) * in_width : 0);
  if (dense && view.shape.dtype == dtype) {
    std::memcpy(out.data(), in, out.size());
    return {};
  }
  if (!converts_from(view.shape.dtype) || !converts_to(dtype))
    return fail(ErrorCode::unsupported,
                fmt::format("{}: tensor {}: cannot convert {} to {}", view.file, in_quotes(view.name),
                            name(view.shape.dtype), name(dtype)));
  if (dense)
    convert(view.shape.dtype, in, n, dtype, out.data());
  else
    convert_encoded(view, first, n, dtype, out.data());
  return {};
}

Status read_as(const TensorView& view, DType dtype, std::span<std::byte> out) {
  const std::int64_t expected = view.shape.elements() * byte_size(dtype);
  if (out.size() != static_cast<std::size_t>(expected))
    return fail(ErrorCode::invalid_argument,
                fmt::format("read of tensor {}: {} as {} takes {} bytes, given room for {}",
                            in_quotes(view.name), to_string(view.shape), name(dtype), expected, out.size()));
  return read_range_as(view, 0, dtype, out);
}

Status read_as_f32(const TensorView& view, std::span<float> out) {
  return read_as(view, DType::f32, std::as_writable_bytes(out));
}

}  // namespace adder::formats
