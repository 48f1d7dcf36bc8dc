#pragma once

#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder::report {

/// Colours that gnuplot writes and inline_svg replaces: red is 1, green says which kind, blue which one.
struct ColourMark {
  static std::string text() { return "#010100"; }  ///< words, axes: the page's text colour
  static std::string grid() { return "#010200"; }  ///< grid lines: --grid
  static std::string series(std::size_t index);    ///< --s0 .. --s7, then again from --s0
};

/// A document of gnuplot's svg terminal as one <svg> element that can stand in an HTML page: no prologue, no
/// namespace addresses, ids that begin with `id`, the page's colours and no others, and `title` (plain text)
/// as its name. Error internal if there is no <svg> element.
Result<std::string> inline_svg(std::string_view document, const std::string& id, std::string_view title);

/// Text for HTML: & < > and both quotes escaped.
std::string escape_html(std::string_view text);

}  // namespace adder::report
