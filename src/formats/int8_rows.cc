#include "formats/int8_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/half.h"
#include "base/json.h"
#include "formats/store.h"

namespace adder::formats {
namespace {

constexpr std::int64_t kPiece = 1 << 16;  // floats held at a time, unless a row is longer
constexpr float kLargest = 127;

// The pattern of |x|; at or above kInfinityBits for what is not finite. As integers, so that one maximum
// finds both the largest magnitude and any NaN, which floating-point maxima lose.
std::uint32_t magnitude_bits(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu; }
constexpr std::uint32_t kInfinityBits = 0x7f800000u;

// Adding and taking off 1.5 * 2^23 leaves a float32 without fraction bits, rounded to nearest even, for
// |x| < 2^22. Unlike nearbyint it is two instructions on every x86-64 and vectorises.
float round_even(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

Result<float> scale_of(const TensorView& view, std::int64_t row, std::span<const float> weights) {
  std::uint32_t largest = 0;
  for (const float w : weights) largest = std::max(largest, magnitude_bits(w));
  if (largest >= kInfinityBits) {
    const auto bad = std::find_if(weights.begin(), weights.end(), [](float w) { return !std::isfinite(w); });
    return fail(ErrorCode::corrupt,
                fmt::format("{}: tensor {}: row {}, column {}: expected a finite number, found {}", view.file,
                            in_quotes(view.name), row, bad - weights.begin(), *bad),
                "weights that are not finite cannot be quantised to int8");
  }
  if (largest == 0) return 1.0f;
  return std::max(std::bit_cast<float>(largest) / kLargest, FLT_MIN);
}

void quantise_row(std::span<const float> weights, float scale, std::int8_t* out) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    // The quotient of the largest weight may round to just above 127.
    const float q = std::clamp(round_even(weights[i] / scale), -kLargest, kLargest);
    out[i] = static_cast<std::int8_t>(q);
  }
}

Status check_rows(const TensorView& view, std::int64_t first, std::size_t rows) {
  const bool matrix = view.shape.dims.size() == 2;
  const auto total = matrix ? static_cast<std::size_t>(view.shape.dims[0]) : 0;
  if (matrix && first >= 0 && static_cast<std::size_t>(first) <= total &&
      rows <= total - static_cast<std::size_t>(first))
    return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("read of tensor {} as int8: {} rows from row {} of {}", in_quotes(view.name), rows,
                          first, to_string(view.shape)));
}

float scale_at(const TensorView& view, std::size_t row) {
  const std::byte* in = view.scales.data() + row * static_cast<std::size_t>(byte_size(view.scale_dtype));
  std::uint16_t half = 0;
  float single = 0;
  double wide = 0;
  switch (view.scale_dtype) {
    case DType::f16:
      std::memcpy(&half, in, sizeof half);
      return f16_to_f32(half);
    case DType::bf16:
      std::memcpy(&half, in, sizeof half);
      return bf16_to_f32(half);
    case DType::f64:
      std::memcpy(&wide, in, sizeof wide);
      return static_cast<float>(wide);
    default:
      std::memcpy(&single, in, sizeof single);
      return single;
  }
}

void stored_scales(const TensorView& view, std::int64_t first, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = scale_at(view, static_cast<std::size_t>(first) + i);
}

// Calls use(i, weights of row first + i) for i in [0, rows), reading several rows at a time.
template <class Use>
Status by_rows(const TensorView& view, std::int64_t first, std::size_t rows, const Use& use) {
  const auto width = static_cast<std::size_t>(view.shape.dims[1]);
  const std::size_t at_once =
      std::max<std::size_t>(1, static_cast<std::size_t>(kPiece) / std::max<std::size_t>(1, width));
  std::vector<float> piece;
  for (std::size_t done = 0; done < rows; done += at_once) {
    piece.resize(std::min(at_once, rows - done) * width);
    const std::int64_t row = first + static_cast<std::int64_t>(done);
    ADDER_CHECK(
        read_range_as(view, row * view.shape.dims[1], DType::f32, std::as_writable_bytes(std::span(piece))));
    for (std::size_t i = 0; i < std::min(at_once, rows - done); ++i)
      ADDER_CHECK(use(done + i, std::span<const float>(piece).subspan(i * width, width)));
  }
  return {};
}

}  // namespace

Status read_int8_rows(const TensorView& view, std::int64_t first, std::span<std::int8_t> values,
                      std::span<float> scales) {
  ADDER_CHECK(check_rows(view, first, scales.size()));
  const auto width = static_cast<std::size_t>(view.shape.dims[1]);
  if (values.size() != scales.size() * width)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("read of tensor {} as int8: {} rows of {} take {} bytes, given room for {}",
                    in_quotes(view.name), scales.size(), width, scales.size() * width, values.size()));
  if (view.encoding == Encoding::int8_rows) {
    if (!values.empty())
      std::memcpy(values.data(), view.bytes.data() + static_cast<std::size_t>(first) * width, values.size());
    stored_scales(view, first, scales);
    return {};
  }
  return by_rows(view, first, scales.size(), [&](std::size_t i, std::span<const float> row) -> Status {
    ADDER_TRY(scales[i], scale_of(view, first + static_cast<std::int64_t>(i), row));
    quantise_row(row, scales[i], values.data() + i * width);
    return {};
  });
}

Status read_int8_scales(const TensorView& view, std::int64_t first, std::span<float> scales) {
  ADDER_CHECK(check_rows(view, first, scales.size()));
  if (view.encoding == Encoding::int8_rows) {
    stored_scales(view, first, scales);
    return {};
  }
  return by_rows(view, first, scales.size(), [&](std::size_t i, std::span<const float> row) -> Status {
    ADDER_TRY(scales[i], scale_of(view, first + static_cast<std::int64_t>(i), row));
    return {};
  });
}

Status read_int8(const TensorView& view, std::span<std::int8_t> values, std::span<float> scales) {
  if (view.shape.dims.size() != 2 || scales.size() != static_cast<std::size_t>(view.shape.dims[0]))
    return fail(ErrorCode::invalid_argument,
                fmt::format("read of tensor {} as int8: expected a matrix and a scale for each row, found {} "
                            "and {} scales",
                            in_quotes(view.name), to_string(view.shape), scales.size()));
  return read_int8_rows(view, 0, values, scales);
}

std::string scale_name(const TensorView& weight) { return weight.name + "_scale"; }

std::optional<std::string> attach_scales(TensorView& weight, const TensorView* scale) {
  const std::string shown = scale_name(weight);
  if (scale == nullptr)
    return fmt::format("{}: missing: {} is int8 and needs a scale for each row, found nothing", shown,
                       weight.name);
  const std::int64_t rows = weight.shape.dims.front();
  if (scale->shape.dims != Dims{rows, 1} && scale->shape.dims != Dims{rows})
    return fmt::format("{}: wrong shape: expected [{},1] or [{}], found {}", shown, rows, rows,
                       to_string(scale->shape.dims));
  if (!is_float(scale->shape.dtype) || scale->encoding != Encoding::dense)
    return fmt::format("{}: wrong dtype: expected f32, f16, bf16 or f64, found {}", shown,
                       name(scale->shape.dtype));
  TensorView paired = weight;
  paired.encoding = Encoding::int8_rows;
  paired.shape.dtype = DType::f32;
  paired.scales = scale->bytes;
  paired.scale_dtype = scale->shape.dtype;
  for (std::int64_t row = 0; row < rows; ++row)
    if (const float value = scale_at(paired, static_cast<std::size_t>(row));
        !std::isfinite(value) || value < 0)
      return fmt::format("{}: row {}: expected a number of 0 or more, found {}", shown, row, value);
  weight = std::move(paired);
  return std::nullopt;
}

void decode_int8_rows(const TensorView& view, std::size_t first, std::span<float> out) {
  const auto width = static_cast<std::size_t>(view.shape.dims[1]);
  while (!out.empty()) {
    const std::size_t row = first / width, n = std::min(width - first % width, out.size());
    const float scale = scale_at(view, row);
    for (std::size_t i = 0; i < n; ++i)
      out[i] = static_cast<float>(static_cast<std::int8_t>(view.bytes[first + i])) * scale;
    out = out.subspan(n);
    first += n;
  }
}

}  // namespace adder::formats
