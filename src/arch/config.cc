#include "arch/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "arch/families.h"
#include "arch/reading.h"

namespace adder::arch {
namespace {

// Known by name so that they can be refused by name.
constexpr std::array<std::string_view, 13> kHybridTypes = {
    "bamba",          "zamba",  "zamba2", "jamba", "nemotron_h", "falcon_h1", "granitemoehybrid",
    "granite_hybrid", "plamo2", "hymba",  "samba", "lfm2",       "qwen3_next"};

std::string known_titles() {
  std::vector<std::string_view> titles;
  for (const Architecture& a : architectures()) titles.push_back(a.title);
  return fmt::format("Adder runs {} language models", fmt::join(titles, ", "));
}

tl::unexpected<Error> refuse(std::string_view origin, std::string what) {
  return fail(ErrorCode::unsupported, fmt::format("{}: {}", origin, what), known_titles());
}

Result<Dialect> dialect_of(const Json& object, std::string_view origin) {
  if (object.contains("dim") && object.contains("n_layers")) return Dialect::mistral;
  if (object.contains("hidden_size")) return Dialect::hugging_face;
  if (has_any(object, {"d_model", "ssm_cfg"})) return Dialect::mamba_ssm;
  return fail(
      ErrorCode::corrupt,
      fmt::format(
          "{}: expected hidden_size (Hugging Face), d_model (mamba_ssm) or dim (Mistral), found none of them",
          origin));
}

/// What nobody claims, and settings that no family has.
Status check_refused(const Source& s) {
  const Json& json = s.json;
  if (s.dialect == Dialect::mistral) {
    const std::string type = text_or_empty(json, "model_type");
    if (type != "transformer" && !has_any(json, {"n_heads", "n_kv_heads", "hidden_dim"})) return {};
    return refuse(s.origin, "this is a transformer in Mistral's own layout; expected model_type \"mamba\"");
  }
  const auto attention = json.find("attn_layer_idx");
  if (attention != json.end() && attention->is_array() && !attention->empty())
    return refuse(s.origin,
                  fmt::format("this is a hybrid model with attention in {} of its layers (attn_layer_idx)",
                              attention->size()));
  const std::string type = text_or_empty(json, "model_type");
  if (std::find(kHybridTypes.begin(), kHybridTypes.end(), type) != kHybridTypes.end())
    return refuse(s.origin,
                  fmt::format("this is a hybrid model that mixes attention or experts with recurrent "
                              "layers (model_type \"{}\")",
                              type));
  return {};
}

tl::unexpected<Error> unclaimed(const Source& s) {
  if (s.dialect == Dialect::gguf)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: key \"general.architecture\": {}: this is another architecture", s.origin,
                            in_quotes(text_or_empty(s.json, "general.architecture"))),
                known_titles());
  const std::string type = text_or_empty(s.json, "model_type");
  if (!type.empty())
    return refuse(s.origin, fmt::format("model_type {}: this is another architecture", in_quotes(type)));
  if (s.dialect == Dialect::mamba_ssm)
    return refuse(s.origin, fmt::format("ssm_cfg.layer: {}: this is another architecture",
                                        in_quotes(text_or_empty(ssm_cfg(s.json), "layer"))));
  return refuse(s.origin, "nothing here says which model it is: model_type is absent, and so is state_size");
}

Result<ConfigRef> read_claimed(const Source& source) {
  for (const Architecture& a : architectures())
    if (a.claims(source)) return a.read(source);
  return unclaimed(source);
}

}  // namespace

std::string_view name(Dialect dialect) {
  switch (dialect) {
    case Dialect::hugging_face:
      return "Hugging Face";
    case Dialect::mamba_ssm:
      return "mamba_ssm";
    case Dialect::mistral:
      return "Mistral";
    case Dialect::gguf:
      return "GGUF";
  }
  return {};
}

std::optional<std::int64_t> Stored::dim(std::string_view name, std::size_t rank, std::size_t axis) const {
  const Dims* shape = dims(name);
  if (shape == nullptr || shape->size() != rank || (*shape)[axis] <= 0) return std::nullopt;
  return (*shape)[axis];
}

std::vector<StateField> Config::state(std::int64_t capacity) const {
  std::vector<StateField> out = layer_state(capacity);
  out.push_back(position_field());
  return out;
}

std::span<const Architecture> architectures() {
#define ADDER_ENTRY(identifier, factory) identifier,
  static const std::array kTable{ADDER_ARCHITECTURES(ADDER_ENTRY)};
#undef ADDER_ENTRY
  return kTable;
}

Result<ConfigRef> parse_config(const Json& json, std::string_view origin, const Stored& stored) {
  if (!json.is_object())
    return fail(ErrorCode::corrupt, fmt::format("{}: expected an object, found {}", origin, describe(json)));
  // The model's type says more than the shape of the file: ask it first.
  Source source{.json = json, .origin = origin, .dialect = Dialect::hugging_face, .stored = &stored};
  if (!(json.contains("dim") && json.contains("n_layers"))) ADDER_CHECK(check_refused(source));
  ADDER_TRY(source.dialect, dialect_of(json, origin));
  ADDER_CHECK(check_refused(source));
  return read_claimed(source);
}

Result<ConfigRef> read_config(const std::filesystem::path& path, const Stored& stored) {
  ADDER_TRY(const Json json, read_json_file(path, {.max_depth = 64, .reject_duplicate_keys = true}));
  return parse_config(json, path.string(), stored);
}

Result<ConfigRef> parse_gguf_keys(const Json& keys, std::string_view origin, const Stored& stored,
                                  std::optional<std::int64_t> listed_tokens) {
  const auto it = keys.find("general.architecture");
  if (it == keys.end() || !it->is_string())
    return fail(ErrorCode::corrupt,
                fmt::format("{}: key \"general.architecture\": expected a string, found {}", origin,
                            it == keys.end() ? "nothing" : describe(*it)));
  return read_claimed({.json = keys,
                       .origin = origin,
                       .dialect = Dialect::gguf,
                       .stored = &stored,
                       .listed_tokens = listed_tokens});
}

}  // namespace adder::arch
