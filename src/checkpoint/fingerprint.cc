#include "checkpoint/fingerprint.h"

#include <algorithm>
#include <vector>

#include "formats/encoding.h"

namespace adder::checkpoint {

using formats::Encoding;
using formats::TensorView;

void Fingerprint::add(const arch::Config& config) {
  hasher_.text(config.architecture());
  hasher_.text(config.facts().dump());
}

void Fingerprint::add_description(std::string_view canonical, const TensorView& view) {
  hasher_.text(canonical);
  const bool blocks = view.encoding != Encoding::dense && view.encoding != Encoding::negative_exp;
  hasher_.text(blocks ? formats::stored_type(view) : name(view.shape.dtype));
  hasher_.number(view.shape.dims.size());
  for (const std::int64_t d : view.shape.dims) hasher_.number(static_cast<std::uint64_t>(d));
}

Status Fingerprint::add_elements(const TensorView& view, std::size_t piece,
                                 const std::function<Status(std::size_t bytes)>& after) {
  if (view.encoding == Encoding::int8_rows) {
    hasher_.bytes(view.scales);
    ADDER_CHECK(after(view.scales.size()));
  }
  std::vector<float> decoded;
  std::span<const std::byte> data = view.bytes;
  if (view.encoding == formats::Encoding::negative_exp) {
    decoded.resize(static_cast<std::size_t>(view.shape.elements()));
    formats::decode_range(view, 0, decoded);
    data = std::as_bytes(std::span(decoded));
  }
  while (!data.empty()) {
    const auto next = data.first(std::min(piece, data.size()));
    hasher_.bytes(next);
    ADDER_CHECK(after(next.size()));
    data = data.subspan(next.size());
  }
  return {};
}

}  // namespace adder::checkpoint
