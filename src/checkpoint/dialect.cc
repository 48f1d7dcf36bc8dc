#include "checkpoint/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace adder::checkpoint {
namespace {

constexpr std::array<std::string_view, 3> kMamba1Types = {"mamba", "falcon_mamba", "mamba1"};
constexpr std::array<std::string_view, 13> kHybridTypes = {
    "bamba",          "zamba",  "zamba2", "jamba", "nemotron_h", "falcon_h1", "granitemoehybrid",
    "granite_hybrid", "plamo2", "hymba",  "samba", "lfm2",       "qwen3_next"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string string_or_empty(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool has_any(const Json& object, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return object.contains(key); });
}

bool names_mamba2(const Json& object) {
  const auto it = object.find("architectures");
  if (it == object.end() || !it->is_array()) return false;
  return std::any_of(it->begin(), it->end(), [](const Json& a) {
    return a.is_string() && a.get_ref<const std::string&>().starts_with("Mamba2");
  });
}

tl::unexpected<Error> refuse(std::string_view origin, std::string what) {
  return fail(ErrorCode::unsupported, fmt::format("{}: {}", origin, what),
              "Adder runs pure Mamba-2 language models");
}

Status check_model_type(const std::string& type, std::string_view origin) {
  if (type.empty() || type == "mamba2" || type == "mamba_ssm") return {};
  if (contains(kMamba1Types, type))
    return refuse(origin, fmt::format("this is a Mamba-1 model (model_type \"{}\"); expected Mamba-2", type));
  if (contains(kHybridTypes, type))
    return refuse(origin,
                  fmt::format("this is a hybrid model that mixes attention or experts with recurrent layers "
                              "(model_type \"{}\"); expected pure Mamba-2",
                              type));
  return refuse(origin, fmt::format("model_type {}: this is another architecture; expected \"mamba2\"",
                                    in_quotes(type)));
}

bool has_attention_layers(const Json& object) {
  const auto it = object.find("attn_layer_idx");
  return it != object.end() && it->is_array() && !it->empty();
}

// In mamba_ssm the layer kind defaults to Mamba1, so its absence means Mamba-1 unless a field that only
// Mamba2 has is there.
Status check_mamba_ssm(const Json& object, std::string_view origin) {
  if (has_attention_layers(object))
    return refuse(origin,
                  fmt::format("this is a hybrid model with attention in {} of its layers (attn_layer_idx); "
                              "expected pure Mamba-2",
                              object.at("attn_layer_idx").size()));
  const auto it = object.find("ssm_cfg");
  const Json empty = Json::object();
  const Json& ssm = it != object.end() && it->is_object() ? *it : empty;
  const std::string layer = string_or_empty(ssm, "layer");
  if (layer == "Mamba2") return {};
  if (!layer.empty() && layer != "Mamba1")
    return refuse(origin, fmt::format("ssm_cfg.layer: expected \"Mamba2\", found {}", in_quotes(layer)));
  if (layer.empty() && (has_any(ssm, {"headdim", "ngroups", "rmsnorm", "D_has_hdim"}) ||
                        names_mamba2(object) || string_or_empty(object, "model_type") == "mamba2"))
    return {};
  return refuse(origin, layer.empty()
                            ? "this is a Mamba-1 model: ssm_cfg.layer is absent, for which mamba_ssm takes "
                              "\"Mamba1\"; expected \"Mamba2\""
                            : "this is a Mamba-1 model (ssm_cfg.layer \"Mamba1\"); expected \"Mamba2\"");
}

Status check_hugging_face(const Json& object, std::string_view origin) {
  if (has_attention_layers(object)) return check_mamba_ssm(object, origin);
  if (string_or_empty(object, "model_type") == "mamba2" || names_mamba2(object)) return {};
  const bool looks_like_mamba2 =
      object.contains("state_size") && has_any(object, {"num_heads", "head_dim", "n_groups"});
  if (looks_like_mamba2) return {};
  if (object.contains("state_size"))
    return refuse(origin,
                  "this looks like a Mamba-1 model: state_size without num_heads, head_dim or n_groups");
  return refuse(origin, "nothing here says Mamba-2: model_type is absent, and so is state_size");
}

// Mistral calls both Mamba versions "mamba"; it has published a Mamba-2 only.
Status check_mistral(const Json& object, std::string_view origin) {
  const std::string type = string_or_empty(object, "model_type");
  if (type != "transformer" && !has_any(object, {"n_heads", "n_kv_heads", "hidden_dim"})) return {};
  return refuse(origin, "this is a transformer in Mistral's own layout; expected model_type \"mamba\"");
}

}  // namespace

Result<Dialect> detect_dialect(const Json& object, std::string_view origin) {
  if (object.contains("dim") && object.contains("n_layers")) {
    ADDER_CHECK(check_mistral(object, origin));
    return Dialect::mistral;
  }
  ADDER_CHECK(check_model_type(string_or_empty(object, "model_type"), origin));
  if (object.contains("hidden_size")) {
    ADDER_CHECK(check_hugging_face(object, origin));
    return Dialect::hugging_face;
  }
  if (has_any(object, {"d_model", "ssm_cfg"})) {
    ADDER_CHECK(check_mamba_ssm(object, origin));
    return Dialect::mamba_ssm;
  }
  return fail(
      ErrorCode::corrupt,
      fmt::format(
          "{}: expected hidden_size (Hugging Face), d_model (mamba_ssm) or dim (Mistral), found none of them",
          origin));
}

}  // namespace adder::checkpoint
