#pragma once

// Builds GGUF files byte by byte, for this room's tests only.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/testing.h"

namespace adder::checkpoint::testing {

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

/// tiny_config() as GGUF: two layers, D 8, E 16, H 4, G 2, N 4, K 4, V 10, tied; every element of a tensor is
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

/// Any checkpoint as GGUF F32, as llama.cpp's converter would write it, with a correctly rounded exp.
inline std::string gguf_of(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
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
  const std::vector<std::string> outside = {"token_embd.weight", "output_norm.weight", "output.weight"};
  const std::vector<std::string> layer = {
      "attn_norm.weight", "ssm_in.weight",  "ssm_in.bias", "ssm_conv1d.weight",
      "ssm_conv1d.bias",  "ssm_a",          "ssm_d",       "ssm_dt.bias",
      "ssm_norm.weight",  "ssm_out.weight", "ssm_out.bias"};
  std::vector<std::string> names = outside;
  for (std::int64_t i = 0; i < c.n_layer; ++i)
    for (const std::string& name : layer) names.push_back("blk." + std::to_string(i) + "." + name);
  for (const std::string& name : names) {
    const auto view = checkpoint.tensor(*canonical_from_gguf(name));
    if (!view) continue;
    std::vector<float> values(static_cast<std::size_t>(view->shape.elements()));
    if (!read_as_f32(*view, values)) std::abort();
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
