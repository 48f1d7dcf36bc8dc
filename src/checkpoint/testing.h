#pragma once

// Builders of small checkpoints, for this room's tests only.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/testing.h"
#include "checkpoint/names.h"
#include "checkpoint/quantize.h"
#include "checkpoint/safetensors.h"

namespace adder::checkpoint::testing {

using adder::testing::read_file;
using adder::testing::TempDirectory;
using adder::testing::write_file;

inline std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(ADDER_SOURCE_DIR) / relative;
}
inline std::filesystem::path golden(const std::string& name) { return source_path("tests/goldens/" + name); }
inline constexpr const char* kGoldens[] = {"hf-tiny", "mamba-ssm-tiny", "grouped-sharded-bf16-tiny",
                                           "limits-bias-tiny", "odd-shapes-f16-tiny"};
/// Names the tests of a suite that runs over kGoldens.
inline std::string golden_test_name(const ::testing::TestParamInfo<const char*>& golden) {
  std::string name = golden.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// The bytes of a safetensors file with this header text and data; the size field may lie.
inline std::string safetensors_bytes(const std::string& header, const std::string& data,
                                     std::uint64_t claimed_size = ~std::uint64_t{0}) {
  std::uint64_t size = claimed_size == ~std::uint64_t{0} ? header.size() : claimed_size;
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(size >> (8 * i) & 0xff);
  return bytes + header + data;
}

/// A tensor that owns its bytes, which are `fill` throughout.
struct OwnedTensor {
  OwnedTensor(std::string tensor_name, Shape tensor_shape, char fill = 0)
      : name(std::move(tensor_name)),
        shape(std::move(tensor_shape)),
        data(static_cast<std::size_t>(shape.bytes()), fill) {}
  TensorView view() const { return {name, shape, std::as_bytes(std::span(data)), {}}; }

  std::string name;
  Shape shape;
  std::string data;  // after shape: its size comes from it
};

inline void write_tensors(const std::filesystem::path& path, const std::vector<OwnedTensor>& tensors) {
  std::vector<TensorView> views;
  for (const OwnedTensor& t : tensors) views.push_back(t.view());
  const Status status = write_safetensors(path, views);
  if (!status) std::abort();
}

/// What read_int8 makes of a tensor.
struct Int8 {
  std::vector<std::int8_t> values;
  std::vector<float> scales;
  bool operator==(const Int8&) const = default;
};
inline Int8 quantised(const TensorView& view) {
  Int8 out;
  out.values.resize(static_cast<std::size_t>(view.shape.elements()));
  out.scales.resize(static_cast<std::size_t>(view.shape.dims.at(0)));
  const Status read = read_int8(view, out.values, out.scales);
  EXPECT_TRUE(read) << read.error().to_string();
  return out;
}

/// A two-layer model, small enough to change by hand: D 8, E 16, H 4, P 4, G 2, N 4, K 4, V 10.
inline Json tiny_config() {
  return Json::parse(
      R"({"model_type":"mamba2","hidden_size":8,"num_hidden_layers":2,"state_size":4,"head_dim":4,
    "num_heads":4,"n_groups":2,"expand":2,"conv_kernel":4,"vocab_size":10,"layer_norm_epsilon":1e-5,
    "rms_norm":true,"use_bias":false,"use_conv_bias":true,"tie_word_embeddings":true,"eos_token_id":0})");
}

/// Every tensor that the config implies, float32, canonical names.
inline std::vector<OwnedTensor> tensors_for(const ModelConfig& config) {
  std::vector<OwnedTensor> tensors;
  for (const TensorSpec& spec : manifest(config))
    if (spec.used)
      tensors.emplace_back(spec.name, Shape{DType::f32, spec.dims}, static_cast<char>(tensors.size()));
  return tensors;
}

inline void write_checkpoint(const TempDirectory& dir, const Json& config,
                             const std::vector<OwnedTensor>& tensors) {
  write_file(dir / "config.json", config.dump());
  write_tensors(dir / "model.safetensors", tensors);
}

}  // namespace adder::checkpoint::testing
