#include "checkpoint/fingerprint.h"

#include <bit>
#include <vector>

#include "checkpoint/encoding.h"

namespace adder::checkpoint {

void Fingerprint::bytes(std::span<const std::byte> data) {
  for (const std::byte b : data) hash_ = (hash_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3u;
}

void Fingerprint::number(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) hash_ = (hash_ ^ (value >> shift & 0xff)) * 0x100000001b3u;
}

void Fingerprint::text(std::string_view value) {
  number(value.size());
  bytes(std::as_bytes(std::span(value)));
}

void Fingerprint::add(const ModelConfig& c) {
  for (const std::int64_t size : {c.d_model, c.n_layer, c.d_inner, c.n_heads, c.head_dim, c.n_groups,
                                  c.d_state, c.d_conv, c.vocab_size, c.padded_vocab_size})
    number(static_cast<std::uint64_t>(size));
  for (const double constant : {c.norm_eps, c.dt_min, c.dt_max})
    number(std::bit_cast<std::uint64_t>(constant));
  for (const bool flag : {c.use_bias, c.use_conv_bias, c.has_gated_norm, c.tie_embeddings})
    number(flag ? 1 : 0);
}

void Fingerprint::add(std::string_view canonical, const TensorView& view) {
  text(canonical);
  const bool blocks = view.encoding != Encoding::dense && view.encoding != Encoding::negative_exp;
  text(blocks ? stored_type(view) : name(view.shape.dtype));
  number(view.shape.dims.size());
  for (const std::int64_t d : view.shape.dims) number(static_cast<std::uint64_t>(d));
  if (view.encoding == Encoding::int8_rows) sample(view.scales);
  std::vector<float> decoded;  // so that A_log counts the same whether stored as such or as -exp(A_log)
  std::span<const std::byte> data = view.bytes;
  if (view.encoding == Encoding::negative_exp) {
    decoded.resize(static_cast<std::size_t>(view.shape.elements()));
    decode_range(view, 0, decoded);
    data = std::as_bytes(std::span(decoded));
  }
  sample(data);
}

void Fingerprint::sample(std::span<const std::byte> data) {
  constexpr std::size_t kRun = 64, kRuns = 16;
  if (data.size() <= kRun * kRuns) return bytes(data);
  for (std::size_t i = 0; i < kRuns; ++i) bytes(data.subspan((data.size() - kRun) / (kRuns - 1) * i, kRun));
  bytes(data.last(kRun));
}

}  // namespace adder::checkpoint
