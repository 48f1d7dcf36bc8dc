#include "hub/model_id.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace adder::hub {
namespace {

bool is_name(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const auto at_end = [](char c) { return c == '-' || c == '.'; };
  return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), allowed) &&
         !at_end(part.front()) && !at_end(part.back()) && part.find("--") == part.npos &&
         part.find("..") == part.npos;
}

}  // namespace

std::string to_string(const ModelId& id) {
  return id.revision == "main" ? id.repository() : id.repository() + "@" + id.revision;
}

Result<ModelId> parse_model_id(std::string_view text) {
  const std::string_view repository = text.substr(0, text.find('@'));
  const std::size_t slash = repository.find('/');
  const bool with_revision = repository.size() < text.size();
  const std::string_view revision = with_revision ? text.substr(repository.size() + 1) : "main";
  if (slash == repository.npos || !is_name(repository.substr(0, slash)) ||
      !is_name(repository.substr(slash + 1)))
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not the name of a model on a hub", in_quotes(text)),
                "expected ORG/NAME or ORG/NAME@REVISION, as in state-spaces/mamba2-130m");
  if (!is_safe_path(revision))
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} is not a revision: expected a branch, a tag or a commit hash", in_quotes(revision)));
  return ModelId{std::string(repository.substr(0, slash)), std::string(repository.substr(slash + 1)),
                 std::string(revision)};
}

bool looks_like_model_id(std::string_view text) { return parse_model_id(text).has_value(); }

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  for (const char c : path)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace adder::hub
