#include "checkpoint/check_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "formats/encoding.h"
#include "formats/store.h"

namespace adder::checkpoint {
namespace {

using formats::Encoding;
using formats::TensorView;

constexpr std::int64_t kPiece = 1 << 16;  // floats held at a time

/// "element 3" of a vector, else "row 3, column 17", where a row is all of what the first index names.
std::string place(const Shape& shape, std::int64_t index) {
  if (shape.dims.size() < 2) return fmt::format("element {}", index);
  const std::int64_t row = shape.elements() / shape.dims.front();
  return fmt::format("row {}, column {}", index / row, index % row);
}

/// Calls use(first index, values) for all values of a view.
template <class Use>
Status by_pieces(const TensorView& view, const Use& use) {
  std::vector<float> piece;
  const std::int64_t total = view.shape.elements();
  for (std::int64_t at = 0; at < total; at += kPiece) {
    piece.resize(static_cast<std::size_t>(std::min(kPiece, total - at)));
    ADDER_CHECK(formats::read_range_as(view, at, DType::f32, std::as_writable_bytes(std::span(piece))));
    use(at, std::span<const float>(piece));
  }
  return {};
}

class Finding {
 public:
  explicit Finding(std::string tensor) { out_.name = std::move(tensor); }
  void look(const std::string& where, float value) {
    if (out_.count++ == 0) out_.first = fmt::format("{} is {}", where, value);
  }
  void say(const std::string& what) {
    if (out_.count++ == 0) out_.first = what;
  }
  std::optional<BadTensor> found() const { return out_.count > 0 ? std::optional(out_) : std::nullopt; }

 private:
  BadTensor out_;
};

Status check_decay(const TensorView& view, Finding& finding) {
  std::vector<float> decay(static_cast<std::size_t>(view.shape.elements())), stored(decay.size());
  ADDER_CHECK(formats::read_decay(view, decay));
  ADDER_CHECK(formats::read_as_f32(view, stored));
  for (std::size_t i = 0; i < decay.size(); ++i)
    if (!std::isfinite(decay[i]))
      finding.say(fmt::format("element {} is {}: its exponential is no finite float32", i, stored[i]));
  return {};
}

Status check_floats(const TensorView& view, Finding& finding) {
  return by_pieces(view, [&](std::int64_t first, std::span<const float> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        finding.look(place(view.shape, first + static_cast<std::int64_t>(i)), values[i]);
  });
}

}  // namespace

Result<std::vector<BadTensor>> find_bad_values(const Checkpoint& checkpoint, Progress& progress) {
  ProgressScope bar(progress, static_cast<std::uint64_t>(checkpoint.stored_bytes()), "checking weights");
  std::vector<BadTensor> out;
  for (const auto& [field, view] : checkpoint.entries()) {
    Finding finding(field.name);
    if (field.read == arch::Read::decay) {
      ADDER_CHECK(check_decay(view, finding));
    } else if (view.encoding != Encoding::int8_rows) {  // whose scales were looked at when it was opened
      ADDER_CHECK(check_floats(view, finding));
    }
    if (auto found = finding.found()) out.push_back(*std::move(found));
    bar.advance(static_cast<std::uint64_t>(formats::stored_size(view)));
    checkpoint.release(view);
  }
  return out;
}

}  // namespace adder::checkpoint
