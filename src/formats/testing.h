#pragma once

// Builders of small tensor files, for the tests of this room and of those above it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/testing.h"
#include "formats/safetensors.h"

namespace adder::formats::testing {

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

}  // namespace adder::formats::testing
