#pragma once

#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder::hub {

/// A model on the hub: ORG/NAME@REV.
struct ModelId {
  std::string organisation, name;
  std::string revision = "main";  ///< a branch, a tag or a whole commit hash

  std::string repository() const { return organisation + "/" + name; }
};
std::string to_string(const ModelId& id);  ///< "ORG/NAME", with "@REV" unless that is main

/// Error invalid_argument unless `text` is ORG/NAME or ORG/NAME@REV by the hub's rules: letters, digits, '-',
/// '_' and '.', neither "--" nor "..", no '-' or '.' at either end of a part, at most 96 bytes; a revision is
/// a safe relative path (see is_safe_path).
Result<ModelId> parse_model_id(std::string_view text);

/// Whether `text` can be a model's name at all; it may still be the path of something that does not exist.
bool looks_like_model_id(std::string_view text);

/// Whether `path`, from a server, stays inside the folder it is put in: relative, no empty component, no "."
/// or "..", no backslash, no control character, no component over 255 bytes.
bool is_safe_path(std::string_view path);

/// Whether this names a commit: 40 or 64 lower-case hexadecimal digits.
bool is_commit(std::string_view text);

}  // namespace adder::hub
