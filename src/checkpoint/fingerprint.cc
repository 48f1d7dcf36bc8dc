#include "checkpoint/fingerprint.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "checkpoint/encoding.h"

namespace adder::checkpoint {

void Fingerprint::add(const ModelConfig& c) {
  for (const std::int64_t size : {c.d_model, c.n_layer, c.d_inner, c.n_heads, c.head_dim, c.n_groups,
                                  c.d_state, c.d_conv, c.vocab_size, c.padded_vocab_size})
    hasher_.number(static_cast<std::uint64_t>(size));
  for (const double constant : {c.norm_eps, c.dt_min, c.dt_max})
    hasher_.number(std::bit_cast<std::uint64_t>(constant));
  for (const bool flag : {c.use_bias, c.use_conv_bias, c.has_gated_norm, c.tie_embeddings})
    hasher_.number(flag ? 1 : 0);
}

void Fingerprint::add_description(std::string_view canonical, const TensorView& view) {
  hasher_.text(canonical);
  const bool blocks = view.encoding != Encoding::dense && view.encoding != Encoding::negative_exp;
  hasher_.text(blocks ? stored_type(view) : name(view.shape.dtype));
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
  if (view.encoding == Encoding::negative_exp) {
    decoded.resize(static_cast<std::size_t>(view.shape.elements()));
    decode_range(view, 0, decoded);
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
