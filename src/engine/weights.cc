#include "engine/weights.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "engine/host_arena.h"
#include "engine/platform.h"
#include "formats/encoding.h"
#include "formats/int8_rows.h"

namespace adder::engine {

namespace {

/// Plugins take host memory over without a copy when it is aligned so.
constexpr std::size_t kZeroCopyAlignment = 64;

/// Fills `out`, the parameter's bytes, with the real rows of its source; what lies beyond them is zeroed.
Status fill(const formats::TensorView& view, const arch::Parameter& p, arch::Read read,
            std::span<std::byte> out) {
  const auto floats = [&] {
    return std::span(reinterpret_cast<float*>(out.data()), out.size() / sizeof(float));
  };
  if (read == arch::Read::decay) return formats::read_decay(view, floats());
  if (p.scales) {
    const auto real = static_cast<std::size_t>(p.rows);
    std::fill(floats().begin() + p.rows, floats().end(), 1.0F);
    return formats::read_int8_scales(view, p.first_row, floats().first(real));
  }
  const std::int64_t row = p.shape.elements() / p.shape.dims.front();
  const auto real = static_cast<std::size_t>(p.rows * row * byte_size(p.shape.dtype));
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(real), out.end(), std::byte{0});
  if (p.shape.dtype == DType::s8) {
    std::vector<float> scales(static_cast<std::size_t>(p.rows));
    return formats::read_int8_rows(view, p.first_row, {reinterpret_cast<std::int8_t*>(out.data()), real},
                                   scales);
  }
  return formats::read_range_as(view, p.first_row * row, p.shape.dtype, out.first(real));
}

/// The parameter where it lies in its mapped file, if the device can use it as it is; else nullptr.
std::shared_ptr<const std::byte> in_place(const checkpoint::Checkpoint& checkpoint, formats::TensorView view,
                                          const arch::Parameter& p, arch::Read read,
                                          const pjrt::Client& client) {
  const bool as_stored = view.encoding == formats::Encoding::dense && view.shape.dtype == p.shape.dtype;
  if (!as_stored || read != arch::Read::as_stored || p.rows != p.shape.dims.front() ||
      !platform_policy(client.platform_name()).host_weights)
    return nullptr;
  const auto size = static_cast<std::size_t>(p.shape.bytes());
  const std::size_t first = size / static_cast<std::size_t>(p.rows) * static_cast<std::size_t>(p.first_row);
  if (first + size > view.bytes.size()) return nullptr;
  view.bytes = view.bytes.subspan(first, size);
  if (reinterpret_cast<std::uintptr_t>(view.bytes.data()) % kZeroCopyAlignment != 0) return nullptr;
  return checkpoint.share(view);
}

Result<pjrt::Buffer> load_tensor(const checkpoint::Checkpoint& checkpoint, const arch::Parameter& p,
                                 const arch::TensorField& field, const pjrt::Client& client,
                                 const pjrt::Device& device, HostArena* arena) {
  ADDER_TRY(const formats::TensorView view, checkpoint.tensor(field.name));
  if (const auto mapped = in_place(checkpoint, view, p, field.read, client))
    return client.to_device_zero_copy(mapped, p.shape, device);
  const auto size = static_cast<std::size_t>(p.shape.bytes());
  const std::shared_ptr<std::byte> host = arena ? arena->allocate(size) : aligned_bytes(size);
  if (!host)
    return fail(ErrorCode::resource_exhausted,
                p.name + ": no memory for " + std::to_string(p.shape.bytes()) + " bytes");
  ADDER_CHECK(fill(view, p, field.read, {host.get(), size}));
  checkpoint.release(view);
  return client.to_device_zero_copy(host, p.shape, device);
}

}  // namespace

Result<Weights> load_weights(const checkpoint::Checkpoint& checkpoint, const ModelSpec& spec,
                             const pjrt::Client& client, const pjrt::Device& device, Progress& progress) {
  const std::int64_t total = spec.weight_bytes();
  std::optional<HostArena> arena;
  if (platform_policy(client.platform_name()).host_weights)
    arena.emplace(static_cast<std::size_t>(total), spec.parameters.size());
  ProgressScope bar(progress, static_cast<std::uint64_t>(total), "loading weights");
  Weights weights;
  for (const arch::Parameter& p : spec.parameters) {
    ADDER_TRY(pjrt::Buffer loaded,
              load_tensor(checkpoint, p, spec.tensors[p.field], client, device, arena ? &*arena : nullptr));
    weights.push_back(std::move(loaded));
    bar.advance(static_cast<std::uint64_t>(p.shape.bytes()));
  }
  return weights;
}

}  // namespace adder::engine
