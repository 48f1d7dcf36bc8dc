#include "engine/snapshot.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "base/json.h"
#include "engine/snapshot_seal.h"
#include "formats/safetensors.h"

namespace adder::engine {

namespace {

/// Every tensor that a snapshot holds, by name, in file order.
std::vector<formats::TensorHeader> headers(const model::ModelSpec& model, std::int64_t position) {
  std::vector<formats::TensorHeader> out;
  for (const arch::StateField& field : model.state)
    if (field.kind != arch::StateField::Kind::position)
      out.push_back({field.name, file_shape(field, position)});
  out.push_back({"tokens", {DType::s32, {position}}});
  return out;
}

/// All disagreements between the tensors there are and those there should be.
Status check_tensors(const formats::SafetensorsFile& file,
                     const std::vector<formats::TensorHeader>& expected) {
  std::string wrong;
  std::map<std::string_view, const Shape*> known;
  for (const auto& [name, shape] : expected) {
    known.emplace(name, &shape);
    const formats::TensorView* view = file.find(name);
    if (!view) {
      wrong += fmt::format("\n  {}: missing, expected {}", name, to_string(shape));
    } else if (view->shape != shape) {
      wrong += fmt::format("\n  {}: expected {}, found {}", name, to_string(shape), to_string(view->shape));
    }
  }
  for (const formats::TensorView& view : file.tensors())
    if (!known.contains(view.name))
      wrong += fmt::format("\n  {}: not part of a snapshot", in_quotes(view.name));
  if (wrong.empty()) return {};
  return fail(ErrorCode::corrupt,
              fmt::format("{}: its tensors do not fit the model:{}", file.path().string(), wrong));
}

Status check_values(const Snapshot& s, const model::ModelSpec& model, const std::string& file) {
  for (const HostState::Field& field : s.state.fields)
    for (const float x : s.state.floats(field.name))
      if (!std::isfinite(x))
        return fail(ErrorCode::corrupt, fmt::format("{}: {} holds infinities or NaN", file, field.name));
  const std::int64_t vocab = model.config->vocab_size;
  for (const std::int32_t id : s.tokens)
    if (id < 0 || id >= vocab)
      return fail(
          ErrorCode::corrupt,
          fmt::format("{}: tokens: {} is outside the vocabulary: expected 0 to {}", file, id, vocab - 1));
  return {};
}

/// Whether the state is what absorbing the snapshot's tokens makes, as far as sizes tell.
Status check_fits(const Snapshot& s, const std::vector<formats::TensorHeader>& tensors,
                  const std::string& file) {
  const auto seen = static_cast<std::int64_t>(s.tokens.size());
  if (s.state.position != seen)
    return fail(
        ErrorCode::failed_precondition,
        fmt::format("{}: the state has absorbed {} tokens, of which its reader has seen {}: it has run "
                    "ahead and cannot be saved as if it had not",
                    file, s.state.position, seen));
  bool fits = s.state.fields.size() + 1 == tensors.size();
  for (std::size_t i = 0; fits && i < s.state.fields.size(); ++i)
    fits = s.state.fields[i].name == tensors[i].name && s.state.fields[i].shape == tensors[i].shape;
  if (fits) return {};
  return fail(ErrorCode::invalid_argument, fmt::format("{}: the snapshot does not fit the model", file));
}

}  // namespace

Status write_snapshot(const std::filesystem::path& path, const Snapshot& snapshot,
                      const model::ModelSpec& model) {
  const auto tensors = headers(model, snapshot.state.position);
  ADDER_CHECK(check_fits(snapshot, tensors, path.string()));
  ADDER_CHECK(check_values(snapshot, model, path.string()));  // what is written can be read
  std::vector<std::span<const std::byte>> contents;
  for (const HostState::Field& field : snapshot.state.fields) contents.emplace_back(field.bytes);
  contents.push_back(std::as_bytes(std::span(snapshot.tokens)));
  return write_sealed(path, tensors, contents,
                      {.fingerprint = snapshot.fingerprint,
                       .architecture = std::string(model.config->architecture()),
                       .position = snapshot.state.position,
                       .weight_dtype = snapshot.weight_dtype});
}

Result<Snapshot> read_snapshot(const std::filesystem::path& path, const model::ModelSpec& model,
                               std::uint64_t fingerprint) {
  ADDER_TRY(const SealedFile sealed, open_sealed(path, fingerprint));
  Snapshot out;
  out.fingerprint = sealed.facts.fingerprint;
  out.weight_dtype = sealed.facts.weight_dtype;
  out.state.position = sealed.facts.position;
  const auto tensors = headers(model, out.state.position);
  ADDER_CHECK(check_tensors(*sealed.file, tensors));
  for (std::size_t i = 0; i + 1 < tensors.size(); ++i) {
    const auto from = sealed.file->find(tensors[i].name)->bytes;
    out.state.fields.push_back({tensors[i].name, tensors[i].shape, {from.begin(), from.end()}});
  }
  out.tokens.resize(static_cast<std::size_t>(out.state.position));
  if (const auto from = sealed.file->find("tokens")->bytes; !from.empty())
    std::memcpy(out.tokens.data(), from.data(), from.size());
  ADDER_CHECK(check_values(out, model, path.string()));
  return out;
}

}  // namespace adder::engine
