#include "engine/weights.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "checkpoint/encoding.h"
#include "checkpoint/quantize.h"
#include "engine/host_arena.h"
#include "engine/platform.h"

namespace adder::engine {

namespace {

/// Plugins take host memory over without a copy when it is aligned so.
constexpr std::size_t kZeroCopyAlignment = 64;

/// Fills `out`, the parameter's bytes, with the real rows of its source; what lies beyond them is zeroed.
Status fill(const checkpoint::TensorView& view, const std::string& name, const Shape& shape,
            const model::ParameterSource& source, std::span<std::byte> out) {
  const auto floats = [&] {
    return std::span(reinterpret_cast<float*>(out.data()), out.size() / sizeof(float));
  };
  if (name.ends_with("mixer.A_log"))  // the parameter is A: see model/parameters.h
    return checkpoint::read_decay(view, floats());
  if (name.ends_with(".weight_scale")) {
    const auto real = static_cast<std::size_t>(source.rows);
    std::fill(floats().begin() + source.rows, floats().end(), 1.0F);
    return checkpoint::read_int8_scales(view, source.first_row, floats().first(real));
  }
  const std::int64_t row = shape.elements() / shape.dims.front();
  const auto real = static_cast<std::size_t>(source.rows * row * byte_size(shape.dtype));
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(real), out.end(), std::byte{0});
  if (shape.dtype == DType::s8) {
    std::vector<float> scales(static_cast<std::size_t>(source.rows));
    return checkpoint::read_int8_rows(view, source.first_row,
                                      {reinterpret_cast<std::int8_t*>(out.data()), real}, scales);
  }
  return checkpoint::read_range_as(view, source.first_row * row, shape.dtype, out.first(real));
}

/// The parameter where it lies in its mapped file, if the device can use it as it is; else nullptr.
std::shared_ptr<const std::byte> in_place(const checkpoint::Checkpoint& checkpoint,
                                          checkpoint::TensorView view, const std::string& name,
                                          const Shape& shape, const model::ParameterSource& source,
                                          const pjrt::Client& client) {
  const bool as_stored = view.encoding == checkpoint::Encoding::dense && view.shape.dtype == shape.dtype;
  if (!as_stored || source.rows != shape.dims.front() ||
      !platform_policy(client.platform_name()).host_weights)
    return nullptr;
  if (name.ends_with("mixer.A_log")) return nullptr;  // the parameter is A: see model/parameters.h
  const auto size = static_cast<std::size_t>(shape.bytes());
  const std::size_t first =
      size / static_cast<std::size_t>(source.rows) * static_cast<std::size_t>(source.first_row);
  if (first + size > view.bytes.size()) return nullptr;
  view.bytes = view.bytes.subspan(first, size);
  if (reinterpret_cast<std::uintptr_t>(view.bytes.data()) % kZeroCopyAlignment != 0) return nullptr;
  return checkpoint.share(view);
}

Result<pjrt::Buffer> load_tensor(const checkpoint::Checkpoint& checkpoint, const ModelSpec& spec,
                                 const std::string& name, const Shape& shape, const pjrt::Client& client,
                                 const pjrt::Device& device, HostArena* arena) {
  const model::ParameterSource source = model::source_of(spec.config, name, shape);
  ADDER_TRY(const checkpoint::TensorView view, checkpoint.tensor(source.tensor));
  if (const auto mapped = in_place(checkpoint, view, name, shape, source, client))
    return client.to_device_zero_copy(mapped, shape, device);
  const auto size = static_cast<std::size_t>(shape.bytes());
  const std::shared_ptr<std::byte> host = arena ? arena->allocate(size) : aligned_bytes(size);
  if (!host)
    return fail(ErrorCode::resource_exhausted,
                name + ": no memory for " + std::to_string(shape.bytes()) + " bytes");
  ADDER_CHECK(fill(view, name, shape, source, {host.get(), size}));
  checkpoint.release(view);
  return client.to_device_zero_copy(host, shape, device);
}

}  // namespace

model::Mamba2Config model_config(const checkpoint::ModelConfig& c) {
  return {.d_model = c.d_model,
          .n_layer = c.n_layer,
          .d_state = c.d_state,
          .head_dim = c.head_dim,
          .n_heads = c.n_heads,
          .n_groups = c.n_groups,
          .d_conv = c.d_conv,
          .vocab_rows = c.padded_vocab_size,
          .vocab_size = c.vocab_size,
          .norm_eps = c.norm_eps,
          .dt_min = c.dt_min,
          .dt_max = c.dt_max,
          .proj_bias = c.use_bias,
          .conv_bias = c.use_conv_bias,
          .gated_norm = c.has_gated_norm,
          .tied_head = c.tie_embeddings};
}

Result<Weights> load_weights(const checkpoint::Checkpoint& checkpoint, const ModelSpec& spec,
                             const pjrt::Client& client, const pjrt::Device& device, Progress& progress) {
  const model::Params<Shape> shapes = model::parameter_shapes(spec.config, spec.weight_dtype, spec.policy);
  std::int64_t total = 0, pieces = 0;
  model::visit(
      [&](const std::string&, const Shape& shape) {
        total += shape.bytes();
        ++pieces;
      },
      shapes);
  std::optional<HostArena> arena;
  if (platform_policy(client.platform_name()).host_weights)
    arena.emplace(static_cast<std::size_t>(total), static_cast<std::size_t>(pieces));
  ProgressScope bar(progress, static_cast<std::uint64_t>(total), "loading weights");

  Weights weights;
  Status status;
  model::visit(
      [&](const std::string& name, const Shape& shape, pjrt::Buffer& buffer) {
        if (!status) return;
        if (auto loaded =
                load_tensor(checkpoint, spec, name, shape, client, device, arena ? &*arena : nullptr)) {
          buffer = *std::move(loaded);
          bar.advance(static_cast<std::uint64_t>(shape.bytes()));
        } else {
          status = fail(std::move(loaded).error());
        }
      },
      shapes, weights);
  ADDER_CHECK(std::move(status));
  return weights;
}

}  // namespace adder::engine
