#pragma once

// Builds GGUF files byte by byte, for this room's tests only.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf.h"
#include "formats/testing.h"

namespace adder::formats::testing {

template <class T>
std::string le(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);  // the tests run on little-endian machines
  return bytes;
}
inline std::string gguf_string(const std::string& text) { return le<std::uint64_t>(text.size()) + text; }
inline std::string tag(GgufType type) { return le(static_cast<std::uint32_t>(type)); }

inline std::string u32(std::uint32_t v) { return tag(GgufType::u32) + le(v); }
inline std::string f32(float v) { return tag(GgufType::f32) + le(v); }
inline std::string text(const std::string& v) { return tag(GgufType::string) + gguf_string(v); }
inline std::string boolean(bool v) { return tag(GgufType::boolean) + le<std::uint8_t>(v ? 1 : 0); }
/// An array whose count may lie.
inline std::string array(GgufType type, std::uint64_t count, const std::string& elements) {
  return tag(GgufType::array) + tag(type) + le(count) + elements;
}
inline std::string texts(const std::vector<std::string>& list) {
  std::string bytes;
  for (const std::string& item : list) bytes += gguf_string(item);
  return array(GgufType::string, list.size(), bytes);
}
inline std::string numbers(const std::vector<std::int32_t>& list) {
  std::string bytes;
  for (const std::int32_t item : list) bytes += le(item);
  return array(GgufType::s32, list.size(), bytes);
}

/// A file from its parts. Whatever is not empty or set overrides what would be right.
struct GgufBuilder {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;  // as the file has them: fastest first
    std::uint32_t type;
    std::string data;
    std::optional<std::uint64_t> offset;
  };
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::vector<std::pair<std::string, std::string>> keys;  // value with its type in front
  std::vector<Tensor> tensors;
  std::optional<std::uint64_t> tensor_count, key_count;

  void set(const std::string& key, std::string value) {
    for (auto& [k, v] : keys)
      if (k == key) return void(v = std::move(value));
    keys.emplace_back(key, std::move(value));
  }
  void drop(const std::string& key) {
    std::erase_if(keys, [&](const auto& item) { return item.first == key; });
  }
  Tensor& tensor(const std::string& name) {
    for (Tensor& t : tensors)
      if (t.name == name) return t;
    std::abort();
  }

  std::string bytes() const {
    std::string out = "GGUF" + le(version) + le(tensor_count.value_or(tensors.size())) +
                      le(key_count.value_or(keys.size()));
    for (const auto& [key, value] : keys) out += gguf_string(key) + value;
    std::string data;
    for (const Tensor& t : tensors) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      out += gguf_string(t.name) + le(static_cast<std::uint32_t>(t.dims.size()));
      for (const std::uint64_t d : t.dims) out += le(d);
      out += le(t.type) + le(t.offset.value_or(data.size()));
      data += t.data;
    }
    if (!tensors.empty()) out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

inline std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * 4, '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// A Mamba-2 model of two layers, D 8, E 16, H 4, G 2, N 4, K 4, V 10, tied; every element of a tensor is
/// its index over 8, and A = -exp(those).
inline GgufBuilder tiny_gguf() {
  GgufBuilder b;
  b.set("general.architecture", text("mamba2"));
  b.set("mamba2.embedding_length", u32(8));
  b.set("mamba2.block_count", u32(2));
  b.set("mamba2.ssm.conv_kernel", u32(4));
  b.set("mamba2.ssm.inner_size", u32(16));
  b.set("mamba2.ssm.state_size", u32(4));
  b.set("mamba2.ssm.time_step_rank", u32(4));
  b.set("mamba2.ssm.group_count", u32(2));
  b.set("mamba2.attention.layer_norm_rms_epsilon", f32(1e-5f));
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
    std::uint64_t n = 1;
    for (const std::uint64_t d : dims) n *= d;
    std::vector<float> values(n);
    for (std::uint64_t i = 0; i < n; ++i) {
      values[i] = static_cast<float>(i) / 8;
      if (name.ends_with("ssm_a")) values[i] = static_cast<float>(-std::exp(static_cast<double>(values[i])));
    }
    b.tensors.push_back({name, std::move(dims), 0, floats(values), {}});
  };
  add("token_embd.weight", {8, 10});
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    add(layer + "attn_norm.weight", {8});
    add(layer + "ssm_in.weight", {8, 16 + 32 + 4});
    add(layer + "ssm_conv1d.weight", {4, 32});
    add(layer + "ssm_conv1d.bias", {32});
    add(layer + "ssm_a", {1, 4});
    add(layer + "ssm_d", {1, 4});
    add(layer + "ssm_dt.bias", {4});
    add(layer + "ssm_norm.weight", {8, 2});
    add(layer + "ssm_out.weight", {16, 8});
  }
  add("output_norm.weight", {8});
  return b;
}

}  // namespace adder::formats::testing
