#include "checkpoint/generation_defaults.h"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <system_error>

#include "base/fields.h"
#include "base/files.h"

namespace adder::checkpoint {

Result<GenerationDefaults> parse_generation_defaults(const Json& json, std::string_view origin) {
  if (!json.is_object())
    return fail(ErrorCode::corrupt, fmt::format("{}: expected an object, found {}", origin, describe(json)));
  std::vector<std::string> problems;
  Fields top(json, "", problems);
  GenerationDefaults g;
  g.do_sample = top.boolean("do_sample");
  g.temperature = top.number("temperature", 0, 1e4);
  g.top_p = top.number("top_p", 0, 1);
  g.min_p = top.number("min_p", 0, 1);
  g.repetition_penalty = top.number("repetition_penalty", 1e-4, 1e4);
  g.top_k = top.integer("top_k", 0, std::int64_t{1} << 26);
  g.max_new_tokens = top.integer("max_new_tokens", 0, std::numeric_limits<std::int32_t>::max());
  g.eos_token_ids = top.tokens("eos_token_id");
  g.bos_token_id = top.token("bos_token_id");
  g.pad_token_id = top.token("pad_token_id");
  if (!problems.empty()) return fail(ErrorCode::corrupt, join_problems(origin, "problems", problems));
  return g;
}

Result<GenerationDefaults> read_generation_defaults(const std::filesystem::path& path) {
  ADDER_TRY(const std::filesystem::file_type type, type_of(path));
  if (type == std::filesystem::file_type::not_found) return GenerationDefaults{};
  ADDER_TRY(const Json json, read_json_file(path));
  return parse_generation_defaults(json, path.string());
}

}  // namespace adder::checkpoint
