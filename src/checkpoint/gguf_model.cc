#include "checkpoint/gguf_model.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "checkpoint/names.h"

namespace adder::checkpoint {
namespace {

struct RoleName {
  std::string_view gguf;
  Role role;
};
constexpr std::array<RoleName, 3> kOutside = {{{"token_embd.weight", Role::embedding},
                                               {"output_norm.weight", Role::final_norm},
                                               {"output.weight", Role::head}}};
constexpr std::array<RoleName, 11> kLayer = {{{"attn_norm.weight", Role::block_norm},
                                              {"ssm_in.weight", Role::in_proj},
                                              {"ssm_in.bias", Role::in_proj_bias},
                                              {"ssm_conv1d.weight", Role::conv_weight},
                                              {"ssm_conv1d.bias", Role::conv_bias},
                                              {"ssm_a", Role::a_log},
                                              {"ssm_d", Role::d},
                                              {"ssm_dt.bias", Role::dt_bias},
                                              {"ssm_norm.weight", Role::gated_norm},
                                              {"ssm_out.weight", Role::out_proj},
                                              {"ssm_out.bias", Role::out_proj_bias}}};

struct Meaning {
  Role role = Role::embedding;
  std::int64_t layer = -1;
};

template <std::size_t N>
std::optional<Role> lookup(const std::array<RoleName, N>& table, std::string_view name) {
  for (const RoleName& entry : table)
    if (entry.gguf == name) return entry.role;
  return std::nullopt;
}

std::optional<Meaning> meaning_of(std::string_view name) {
  if (const auto role = lookup(kOutside, name)) return Meaning{*role, -1};
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  const std::size_t dot = name.find('.');
  if (dot == 0 || dot > 6 || (name[0] == '0' && dot != 1)) return std::nullopt;
  Meaning meaning;
  const auto [end, code] = std::from_chars(name.data(), name.data() + dot, meaning.layer);
  if (code != std::errc() || end != name.data() + dot || meaning.layer < 0) return std::nullopt;
  const auto role = lookup(kLayer, name.substr(dot + 1));
  if (!role) return std::nullopt;
  meaning.role = *role;
  return meaning;
}

bool is_vector(Role role) {
  switch (role) {
    case Role::embedding:
    case Role::in_proj:
    case Role::conv_weight:
    case Role::out_proj:
    case Role::head:
      return false;
    default:
      return true;
  }
}

// Row-major order is the same in both shapes, so that only the sizes change.
Dims canonical_dims(Role role, const Dims& stored) {
  if (role == Role::conv_weight && stored.size() == 2) return {stored[0], 1, stored[1]};
  if (!is_vector(role) || stored.size() != 2) return stored;
  const bool one_axis = role == Role::gated_norm || stored[0] == 1 || stored[1] == 1;
  return one_axis ? Dims{stored[0] * stored[1]} : stored;
}

Encoding encoding_of(GgmlType type) {
  switch (type) {
    case GgmlType::q4_0:
      return Encoding::q4_0;
    case GgmlType::q8_0:
      return Encoding::q8_0;
    case GgmlType::q4_k:
      return Encoding::q4_k;
    case GgmlType::q6_k:
      return Encoding::q6_k;
    default:
      return Encoding::dense;
  }
}

Status check_decay(const GgufTensor& tensor, std::string_view origin) {
  if (tensor.type != GgmlType::f32)
    return fail(ErrorCode::unsupported, fmt::format("{}: tensor {}: type: expected F32, found {}", origin,
                                                    in_quotes(tensor.name), ggml_type_name(tensor.type)));
  for (std::size_t i = 0; i + 4 <= tensor.bytes.size(); i += 4) {
    float a;
    std::memcpy(&a, tensor.bytes.data() + i, sizeof a);
    if (!(a <= 0) || std::isinf(a))
      return fail(
          ErrorCode::corrupt,
          fmt::format(
              "{}: tensor {}: element {}: expected -exp(A_log), a finite number of 0 or less, found {}",
              origin, in_quotes(tensor.name), i / 4, a));
  }
  return {};
}

}  // namespace

std::optional<std::string> canonical_from_gguf(std::string_view name) {
  const std::optional<Meaning> meaning = meaning_of(name);
  if (!meaning) return std::nullopt;
  return canonical_name(meaning->role, meaning->layer);
}

Result<std::vector<TensorView>> gguf_views(const GgufContent& content, std::string_view origin) {
  std::vector<TensorView> views;
  for (const GgufTensor& tensor : content.tensors) {
    TensorView view{.name = tensor.name,
                    .shape = {element_dtype(tensor.type), tensor.dims},
                    .bytes = tensor.bytes,
                    .file = std::string(origin),
                    .encoding = encoding_of(tensor.type)};
    if (const std::optional<Meaning> meaning = meaning_of(tensor.name)) {
      view.shape.dims = canonical_dims(meaning->role, tensor.dims);
      if (meaning->role == Role::a_log) {
        ADDER_CHECK(check_decay(tensor, origin));
        view.encoding = Encoding::negative_exp;
      }
    }
    views.push_back(std::move(view));
  }
  return views;
}

Result<std::unique_ptr<GgufFile>> GgufFile::open(const std::filesystem::path& path) {
  ADDER_TRY(MappedFile file, MappedFile::open(path));
  const std::string origin = path.string();
  ADDER_TRY(GgufContent content, parse_gguf(file.bytes(), origin));
  ADDER_CHECK(check_gguf_architecture(content, origin));
  ADDER_TRY(ModelConfig config, gguf_config(content, origin));
  ADDER_TRY(std::vector<TensorView> tensors, gguf_views(content, origin));
  return std::unique_ptr<GgufFile>(
      new GgufFile(std::move(file), std::move(content), std::move(config), std::move(tensors)));
}

GgufFile::GgufFile(MappedFile file, GgufContent content, ModelConfig config, std::vector<TensorView> tensors)
    : file_(std::move(file)),
      content_(std::move(content)),
      config_(std::move(config)),
      tensors_(std::move(tensors)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (auto canonical = canonical_from_gguf(tensors_[i].name)) by_name_.emplace(*std::move(canonical), i);
}

const TensorView* GgufFile::find(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

std::string GgufFile::format() const { return fmt::format("GGUF version {}", content_.version); }

Result<std::optional<Vocabulary>> GgufFile::vocabulary() const {
  return gguf_vocabulary(content_, file_.path().string());
}

}  // namespace adder::checkpoint
