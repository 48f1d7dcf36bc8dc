#pragma once

// Whole models as GGUF files, for this room's tests only.

#include "arch/mamba1.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "formats/gguf_testing.h"
#include "formats/store.h"

namespace adder::checkpoint::testing {

/// The keys of a model, as llama.cpp's converter writes them.
inline void set_keys(GgufBuilder& b, const arch::Config& config) {
  const auto* mamba2 = dynamic_cast<const arch::Mamba2*>(&config);
  const std::string name = mamba2 ? "mamba2" : "mamba";
  const auto size = [&](const std::string& key, std::int64_t v) {
    b.set(name + "." + key, u32(static_cast<std::uint32_t>(v)));
  };
  b.set("general.architecture", text(name));
  size("embedding_length", config.d_model);
  size("block_count", config.n_layer);
  size("vocab_size", config.vocab_size);
  b.set(name + ".attention.layer_norm_rms_epsilon", f32(static_cast<float>(config.norm_eps)));
  if (mamba2) {
    size("ssm.conv_kernel", mamba2->d_conv);
    size("ssm.inner_size", mamba2->d_inner);
    size("ssm.state_size", mamba2->d_state);
    size("ssm.time_step_rank", mamba2->n_heads);
    size("ssm.group_count", mamba2->n_groups);
  } else {
    const auto& c = dynamic_cast<const arch::Mamba1&>(config);
    size("ssm.conv_kernel", c.d_conv);
    size("ssm.inner_size", c.d_inner);
    size("ssm.state_size", c.d_state);
    size("ssm.time_step_rank", c.dt_rank);
    b.set("mamba.ssm.dt_b_c_rms", boolean(c.inner_norms));
  }
}

/// Any checkpoint as GGUF F32, as llama.cpp's converter would write it, with a correctly rounded exp.
inline std::string gguf_of(const Checkpoint& checkpoint) {
  const auto* mamba2 = dynamic_cast<const arch::Mamba2*>(&checkpoint.config());
  GgufBuilder b;
  set_keys(b, checkpoint.config());
  for (const Checkpoint::Entry& entry : checkpoint.entries()) {
    const std::string& name = entry.field.gguf;
    const formats::TensorView* view = &entry.view;
    std::vector<float> values(static_cast<std::size_t>(view->shape.elements()));
    if (!formats::read_as_f32(*view, values)) std::abort();
    std::vector<std::uint64_t> dims(view->shape.dims.rbegin(), view->shape.dims.rend());
    if (name.ends_with("ssm_conv1d.weight")) dims.erase(dims.begin() + 1);
    if (mamba2 && (name.ends_with("ssm_a") || name.ends_with("ssm_d"))) dims.insert(dims.begin(), 1);
    if (name.ends_with("ssm_norm.weight"))
      dims = {dims[0] / static_cast<std::uint64_t>(mamba2->n_groups),
              static_cast<std::uint64_t>(mamba2->n_groups)};
    if (name.ends_with("ssm_a"))
      for (float& v : values) v = static_cast<float>(-std::exp(static_cast<double>(v)));
    b.tensors.push_back({name, std::move(dims), 0, floats(values), {}});
  }
  return b.bytes();
}

}  // namespace adder::checkpoint::testing
