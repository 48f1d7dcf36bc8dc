#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/json.h"

namespace adder::checkpoint {

/// generation_config.json: what the model's author suggests. Absent or null fields are nullopt.
struct GenerationDefaults {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::int64_t> top_k, max_new_tokens, bos_token_id, pad_token_id;
  std::vector<std::int64_t> eos_token_ids;
};
/// Errors: corrupt (not JSON, a wrong type or a value out of range, naming the field).
Result<GenerationDefaults> parse_generation_defaults(const Json& json, std::string_view origin);
/// Reads the file if it exists; all fields absent otherwise.
Result<GenerationDefaults> read_generation_defaults(const std::filesystem::path& path);

}  // namespace adder::checkpoint
