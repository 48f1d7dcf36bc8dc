#pragma once

// Builders of small checkpoints, for this room's tests only.

#include "arch/mamba2.h"
#include "arch/testing.h"
#include "checkpoint/model_fingerprint.h"
#include "formats/int8_rows.h"
#include "formats/testing.h"

namespace adder::checkpoint::testing {

using namespace formats::testing;  // NOLINT: its builders are this room's too

/// What read_int8 makes of a tensor.
struct Int8 {
  std::vector<std::int8_t> values;
  std::vector<float> scales;
  bool operator==(const Int8&) const = default;
};
inline Int8 quantised(const formats::TensorView& view) {
  Int8 out;
  out.values.resize(static_cast<std::size_t>(view.shape.elements()));
  out.scales.resize(static_cast<std::size_t>(view.shape.dims.at(0)));
  const Status read = formats::read_int8(view, out.values, out.scales);
  EXPECT_TRUE(read) << read.error().to_string();
  return out;
}

/// Fails the test, and is 0, where it cannot be told.
inline std::uint64_t fingerprint(const Checkpoint& checkpoint) {
  const Result<std::uint64_t> print = fingerprint_of(checkpoint);
  EXPECT_TRUE(print) << print.error().to_string();
  return print.value_or(0);
}

using arch::testing::tiny_config;

inline arch::ConfigRef config_of(const Json& json) {
  auto config = arch::parse_config(json, "config.json");
  if (!config) std::abort();
  return *std::move(config);
}
/// A config that is to be looked at as what it is known to be.
inline const arch::Mamba2& mamba2(const arch::Config& config) {
  return dynamic_cast<const arch::Mamba2&>(config);
}

/// Every tensor that the config implies, float32, canonical names.
inline std::vector<OwnedTensor> tensors_for(const arch::Config& config) {
  std::vector<OwnedTensor> tensors;
  for (const arch::TensorField& field : config.tensors())
    if (field.used)
      tensors.emplace_back(field.name, Shape{DType::f32, field.dims}, static_cast<char>(tensors.size()));
  return tensors;
}

inline void write_checkpoint(const TempDirectory& dir, const Json& config,
                             const std::vector<OwnedTensor>& tensors) {
  write_file(dir / "config.json", config.dump());
  write_tensors(dir / "model.safetensors", tensors);
}

}  // namespace adder::checkpoint::testing
