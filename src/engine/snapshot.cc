#include "engine/snapshot.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "base/json.h"
#include "checkpoint/safetensors.h"

namespace adder::engine {

namespace {

constexpr std::string_view kFormat = "adder-state", kVersion = "1";

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

template <class Number>
std::optional<Number> parse_number(const std::string& text, int base) {
  Number value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// A metadata entry, or an error that says what kind of file this is not.
class Metadata {
 public:
  Metadata(const checkpoint::Metadata& entries, std::string file)
      : entries_(entries), file_(std::move(file)) {}

  Result<std::string> text(const std::string& key) const {
    if (const auto found = entries_.find(key); found != entries_.end()) return found->second;
    return fail(ErrorCode::corrupt,
                fmt::format("{}: not a state snapshot: its metadata has no \"{}\"", file_, key));
  }
  template <class Number>
  Result<Number> number(const std::string& key, int base) const {
    ADDER_TRY(const std::string value, text(key));
    if (const auto parsed = parse_number<Number>(value, base)) return *parsed;
    return fail(ErrorCode::corrupt,
                fmt::format("{}: metadata {}: {} is not a number", file_, key, in_quotes(value)));
  }

 private:
  const checkpoint::Metadata& entries_;
  std::string file_;
};

/// Format, version and model, in that order: the first that is wrong explains the others.
Result<Snapshot> read_metadata(const Metadata& metadata, const std::string& file, std::uint64_t fingerprint) {
  Snapshot out;
  ADDER_TRY(const std::string format, metadata.text("format"));
  if (format != kFormat)
    return fail(ErrorCode::corrupt, fmt::format("{}: not a state snapshot: its format is {}, expected \"{}\"",
                                                file, in_quotes(format), kFormat));
  ADDER_TRY(const std::string version, metadata.text("version"));
  if (version != kVersion)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: snapshot version {}, expected \"{}\"", file, in_quotes(version), kVersion));
  ADDER_TRY(out.fingerprint, metadata.number<std::uint64_t>("fingerprint", 16));
  if (out.fingerprint != fingerprint)
    return fail(ErrorCode::failed_precondition,
                fmt::format("{}: the state of another model: fingerprint {:016x}, this model's is {:016x}",
                            file, out.fingerprint, fingerprint),
                "a state continues only on the weights that made it");
  ADDER_TRY(out.state.position, metadata.number<std::int64_t>("position", 10));
  if (out.state.position < 0)
    return fail(ErrorCode::corrupt, fmt::format("{}: metadata position is {}", file, out.state.position));
  ADDER_TRY(const std::string dtype, metadata.text("dtype"));
  const std::optional<DType> parsed = parse_dtype(dtype);
  if (!parsed)
    return fail(ErrorCode::corrupt, fmt::format("{}: metadata dtype: unknown {}", file, in_quotes(dtype)));
  out.weight_dtype = *parsed;
  return out;
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
  const checkpoint::Metadata metadata{{"format", std::string(kFormat)},
                                      {"version", std::string(kVersion)},
                                      {"fingerprint", fmt::format("{:016x}", snapshot.fingerprint)},
                                      {"position", fmt::format("{}", snapshot.state.position)},
                                      {"dtype", std::string(name(snapshot.weight_dtype))}};
  return checkpoint::write_safetensors(
      path, tensors,
      [&](std::size_t i, const checkpoint::ByteSink& sink) { return sink(bytes_of(snapshot, i, layers)); },
      metadata);
}

Result<Snapshot> read_snapshot(const std::filesystem::path& path, const model::Mamba2Config& config,
                               std::uint64_t fingerprint) {
  ADDER_TRY(const auto file, checkpoint::SafetensorsFile::open(path));
  ADDER_TRY(Snapshot out,
            read_metadata(Metadata(file->metadata(), path.string()), path.string(), fingerprint));
  const auto tensors = headers(config, out.state.position);
  ADDER_CHECK(check_tensors(*file, tensors));

  const auto layers = static_cast<std::size_t>(config.n_layer);
  out.state.layers.resize(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    out.state.layers[i].ssm.resize(static_cast<std::size_t>(tensors[i].shape.elements()));
    out.state.layers[i].conv.resize(static_cast<std::size_t>(tensors[layers + i].shape.elements()));
  }
  out.tokens.resize(static_cast<std::size_t>(out.state.position));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto from = file->find(tensors[i].name)->bytes;
    const auto to = bytes_of(out, i, layers);
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  }
  ADDER_CHECK(check_values(out, config, path.string()));
  return out;
}

}  // namespace adder::engine
