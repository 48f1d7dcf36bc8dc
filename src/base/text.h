#pragma once

#include <string>
#include <string_view>

namespace adder {

/// Text for a terminal, whatever bytes it came from: control characters (also DEL and U+0080 to U+009F) and
/// bytes that are not UTF-8 become \x1b and the like, so that a name in a hostile file can neither move the
/// cursor nor forge a line. What is printable stays as it is, which includes the line feeds and tabs of
/// `kept`.
std::string printable(std::string_view text, std::string_view kept = "");

/// A JSON document (base/json.h) as text, on one line or indented. Never throws: bytes of strings that are
/// not UTF-8, such as those of a path, become U+FFFD.
template <class AnyJson>
std::string to_text(const AnyJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, AnyJson::error_handler_t::replace);
}

}  // namespace adder
