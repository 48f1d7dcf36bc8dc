#include "engine/snapshot.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "engine/snapshot_seal.h"

namespace adder::engine {

namespace {

/// Every tensor that a snapshot holds, by name, in file order.
std::vector<checkpoint::TensorHeader> headers(const model::Mamba2Config& c, std::int64_t position) {
  std::vector<checkpoint::TensorHeader> out;
  for (std::int64_t i = 0; i < c.n_layer; ++i)
    out.push_back({fmt::format("ssm_state.{}", i), {DType::f32, {c.n_heads, c.head_dim, c.d_state}}});
  for (std::int64_t i = 0; i < c.n_layer; ++i)
    out.push_back({fmt::format("conv_state.{}", i), {DType::f32, {c.conv_dim(), c.d_conv - 1}}});
  out.push_back({"tokens", {DType::s32, {position}}});
  return out;
}

/// The host array behind headers(...)[index].
template <class S>
auto bytes_of(S& s, std::size_t index, std::size_t layers) {
  const auto raw = [](auto& v) {
    if constexpr (std::is_const_v<S>) {
      return std::as_bytes(std::span(v));
    } else {
      return std::as_writable_bytes(std::span(v));
    }
  };
  if (index < layers) return raw(s.state.layers[index].ssm);
  if (index < 2 * layers) return raw(s.state.layers[index - layers].conv);
  return raw(s.tokens);
}

/// All disagreements between the tensors there are and those there should be.
Status check_tensors(const checkpoint::SafetensorsFile& file,
                     const std::vector<checkpoint::TensorHeader>& expected) {
  std::string wrong;
  std::map<std::string_view, const Shape*> known;
  for (const auto& [name, shape] : expected) {
    known.emplace(name, &shape);
    const checkpoint::TensorView* view = file.find(name);
    if (!view) {
      wrong += fmt::format("\n  {}: missing, expected {}", name, to_string(shape));
    } else if (view->shape != shape) {
      wrong += fmt::format("\n  {}: expected {}, found {}", name, to_string(shape), to_string(view->shape));
    }
  }
  for (const checkpoint::TensorView& view : file.tensors())
    if (!known.contains(view.name))
      wrong += fmt::format("\n  {}: not part of a snapshot", in_quotes(view.name));
  if (wrong.empty()) return {};
  return fail(ErrorCode::corrupt,
              fmt::format("{}: its tensors do not fit the model:{}", file.path().string(), wrong));
}

Status check_values(const Snapshot& s, const model::Mamba2Config& config, const std::string& file) {
  const auto finite = [](const std::vector<float>& v) {
    for (const float x : v)
      if (!std::isfinite(x)) return false;
    return true;
  };
  for (std::size_t i = 0; i < s.state.layers.size(); ++i)
    if (!finite(s.state.layers[i].ssm) || !finite(s.state.layers[i].conv))
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: the state of layer {} holds infinities or NaN", file, i));
  for (const std::int32_t id : s.tokens)
    if (id < 0 || id >= config.vocab_size)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: tokens: {} is outside the vocabulary: expected 0 to {}", file, id,
                              config.vocab_size - 1));
  return {};
}

}  // namespace

Status write_snapshot(const std::filesystem::path& path, const Snapshot& snapshot,
                      const model::Mamba2Config& config) {
  const auto layers = static_cast<std::size_t>(config.n_layer);
  const auto tensors = headers(config, snapshot.state.position);
  bool fits = snapshot.state.layers.size() == layers;
  for (std::size_t i = 0; fits && i < tensors.size(); ++i)
    fits = static_cast<std::int64_t>(bytes_of(snapshot, i, layers).size()) == tensors[i].shape.bytes();
  if (!fits)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: the snapshot does not fit the model", path.string()));
  ADDER_CHECK(check_values(snapshot, config, path.string()));  // what is written can be read
  std::vector<std::span<const std::byte>> contents;
  for (std::size_t i = 0; i < tensors.size(); ++i) contents.push_back(bytes_of(snapshot, i, layers));
  return write_sealed(path, tensors, contents,
                      {snapshot.fingerprint, snapshot.state.position, snapshot.weight_dtype});
}

Result<Snapshot> read_snapshot(const std::filesystem::path& path, const model::Mamba2Config& config,
                               std::uint64_t fingerprint) {
  ADDER_TRY(const SealedFile sealed, open_sealed(path, fingerprint));
  Snapshot out;
  out.fingerprint = sealed.facts.fingerprint;
  out.weight_dtype = sealed.facts.weight_dtype;
  out.state.position = sealed.facts.position;
  const auto tensors = headers(config, out.state.position);
  ADDER_CHECK(check_tensors(*sealed.file, tensors));

  const auto layers = static_cast<std::size_t>(config.n_layer);
  out.state.layers.resize(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    out.state.layers[i].ssm.resize(static_cast<std::size_t>(tensors[i].shape.elements()));
    out.state.layers[i].conv.resize(static_cast<std::size_t>(tensors[layers + i].shape.elements()));
  }
  out.tokens.resize(static_cast<std::size_t>(out.state.position));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto from = sealed.file->find(tensors[i].name)->bytes;
    const auto to = bytes_of(out, i, layers);
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  }
  ADDER_CHECK(check_values(out, config, path.string()));
  return out;
}

}  // namespace adder::engine
