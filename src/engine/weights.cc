#include "engine/weights.h"

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "checkpoint/encoding.h"

namespace adder::engine {

namespace {

/// Plugins take host memory over without a copy when it is aligned so.
constexpr std::size_t kZeroCopyAlignment = 64;

std::shared_ptr<std::byte> aligned_bytes(std::int64_t size) {
  const std::size_t rounded =
      (static_cast<std::size_t>(size) + kZeroCopyAlignment - 1) & ~(kZeroCopyAlignment - 1);
  return {static_cast<std::byte*>(std::aligned_alloc(kZeroCopyAlignment, rounded)), std::free};
}

/// The tensor where it lies in its mapped file, if the device can use it as it is; else nullptr.
std::shared_ptr<const std::byte> in_place(const checkpoint::Checkpoint& checkpoint,
                                          const checkpoint::TensorView& view, const Shape& shape,
                                          const pjrt::Client& client) {
  const bool as_stored = view.encoding == checkpoint::Encoding::dense && view.shape.dtype == shape.dtype &&
                         view.bytes.size() == static_cast<std::size_t>(shape.bytes());
  const bool aligned = reinterpret_cast<std::uintptr_t>(view.bytes.data()) % kZeroCopyAlignment == 0;
  if (!as_stored || !aligned || client.platform_name() != "cpu") return nullptr;
  return checkpoint.share(view);
}

Result<pjrt::Buffer> load_tensor(const checkpoint::Checkpoint& checkpoint, const std::string& name,
                                 const Shape& shape, const pjrt::Client& client, const pjrt::Device& device) {
  ADDER_TRY(const checkpoint::TensorView view, checkpoint.tensor(name));
  const bool is_parameter = !name.ends_with("mixer.A_log");  // the parameter is A: see model/parameters.h
  if (is_parameter)
    if (const auto mapped = in_place(checkpoint, view, shape, client))
      return client.to_device_zero_copy(mapped, shape, device);
  const std::shared_ptr<std::byte> host = aligned_bytes(shape.bytes());
  if (!host)
    return fail(ErrorCode::resource_exhausted,
                name + ": no memory for " + std::to_string(shape.bytes()) + " bytes");
  if (!is_parameter) {
    ADDER_CHECK(checkpoint::read_decay(
        view, {reinterpret_cast<float*>(host.get()), static_cast<std::size_t>(shape.elements())}));
  } else {
    ADDER_CHECK(
        checkpoint::read_as(view, shape.dtype, {host.get(), static_cast<std::size_t>(shape.bytes())}));
  }
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
  const model::Params<Shape> shapes = model::parameter_shapes(spec.config, spec.weight_dtype);
  std::int64_t total = 0;
  model::visit([&](const std::string&, const Shape& shape) { total += shape.bytes(); }, shapes);
  ProgressScope bar(progress, static_cast<std::uint64_t>(total), "loading weights");

  Weights weights;
  Status status;
  model::visit(
      [&](const std::string& name, const Shape& shape, pjrt::Buffer& buffer) {
        if (!status) return;
        if (auto loaded = load_tensor(checkpoint, name, shape, client, device)) {
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
