#pragma once

// Whole models as GGUF files, for this room's tests only.

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "formats/gguf_testing.h"
#include "formats/store.h"

namespace adder::checkpoint::testing {

/// Any checkpoint as GGUF F32, as llama.cpp's converter would write it, with a correctly rounded exp.
inline std::string gguf_of(const Checkpoint& checkpoint) {
  const arch::Mamba2& c = mamba2(checkpoint.config());
  GgufBuilder b;
  const auto size = [&](const std::string& key, std::int64_t v) {
    b.set("mamba2." + key, u32(static_cast<std::uint32_t>(v)));
  };
  b.set("general.architecture", text("mamba2"));
  size("embedding_length", c.d_model);
  size("block_count", c.n_layer);
  size("vocab_size", c.vocab_size);
  size("ssm.conv_kernel", c.d_conv);
  size("ssm.inner_size", c.d_inner);
  size("ssm.state_size", c.d_state);
  size("ssm.time_step_rank", c.n_heads);
  size("ssm.group_count", c.n_groups);
  b.set("mamba2.attention.layer_norm_rms_epsilon", f32(static_cast<float>(c.norm_eps)));
  for (const Checkpoint::Entry& entry : checkpoint.entries()) {
    const std::string& name = entry.field.gguf;
    const formats::TensorView* view = &entry.view;
    std::vector<float> values(static_cast<std::size_t>(view->shape.elements()));
    if (!formats::read_as_f32(*view, values)) std::abort();
    std::vector<std::uint64_t> dims(view->shape.dims.rbegin(), view->shape.dims.rend());
    if (name.ends_with("ssm_conv1d.weight")) dims.erase(dims.begin() + 1);
    if (name.ends_with("ssm_a") || name.ends_with("ssm_d")) dims.insert(dims.begin(), 1);
    if (name.ends_with("ssm_norm.weight"))
      dims = {dims[0] / static_cast<std::uint64_t>(c.n_groups), static_cast<std::uint64_t>(c.n_groups)};
    if (name.ends_with("ssm_a"))
      for (float& v : values) v = static_cast<float>(-std::exp(static_cast<double>(v)));
    b.tensors.push_back({name, std::move(dims), 0, floats(values), {}});
  }
  return b.bytes();
}

}  // namespace adder::checkpoint::testing
