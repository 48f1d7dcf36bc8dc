#include "report/svg.h"

#include <fmt/format.h>

namespace adder::report {

namespace {

constexpr int kSeriesColours = 8;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

void remove_elements(std::string& text, std::string_view open, std::string_view close) {
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    const std::size_t end = text.find(close, at);
    if (end == std::string::npos) return;
    text.erase(at, end + close.size() - at);
  }
}

/// gnuplot says color='black' (or gray, or white) on its groups, which would be what currentColor means
/// inside: the page's text colour must come through, in the dark too.
void remove_color_attributes(std::string& text) {
  for (std::size_t at = text.find(" color="); at != std::string::npos; at = text.find(" color=", at)) {
    const std::size_t quote = at + std::string_view(" color=").size();
    const std::size_t end = quote < text.size() ? text.find(text[quote], quote + 1) : std::string::npos;
    const std::size_t bracket = text.find_last_of("<>", at);
    const bool in_tag = bracket != std::string::npos && text[bracket] == '<';
    if (!in_tag || end == std::string::npos || (text[quote] != '"' && text[quote] != '\'')) {
      ++at;
      continue;
    }
    text.erase(at, end + 1 - at);
  }
}

/// Groups that draw nothing, of which gnuplot writes hundreds.
void remove_empty_groups(std::string& text) {
  for (std::size_t close = text.find("</g>"); close != std::string::npos; close = text.find("</g>", close)) {
    const std::size_t open_end = text.find_last_not_of(" \t\n", close - 1);
    const std::size_t open = open_end == std::string::npos ? open_end : text.rfind('<', open_end);
    if (open == std::string::npos || text[open_end] != '>' || text.compare(open, 2, "<g") != 0) {
      close += 4;
      continue;
    }
    text.erase(open, close + 4 - open);
    close = open;
  }
}

/// The page's colour for a mark, or "" for any other colour.
std::string page_colour(int red, int green, int blue) {
  if (red != 1) return "";
  if (green == 1) return "currentColor";
  if (green == 2) return "var(--grid)";
  return green == 3 ? fmt::format("var(--s{})", blue % kSeriesColours) : "";
}

/// Where the attribute begins whose value's opening quote is at `quote`; npos if there is none.
std::size_t attribute_begin(std::string_view text, std::size_t quote) {
  const std::size_t equals = text.find_last_not_of(' ', quote - 1);
  if (equals == std::string_view::npos || text[equals] != '=') return std::string_view::npos;
  const std::size_t last = text.find_last_not_of(' ', equals - 1);
  const std::size_t space = text.find_last_of(" \t\n", last);
  return space == std::string_view::npos ? space : space + 1;
}

/// Replaces `name='rgb(r, g, b)'` for marks by `style='name:colour'`: a presentation attribute may not take a
/// variable everywhere, a style may.
std::string with_page_colours(const std::string& text) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = text.find("rgb("); at != std::string::npos; at = text.find("rgb(", at + 1)) {
    int red = 0, green = 0, blue = 0;
    const std::size_t end = text.find(')', at);
    if (end == std::string::npos) break;
    if (at < 4 || std::sscanf(text.c_str() + at, "rgb( %d , %d , %d", &red, &green, &blue) != 3) continue;
    const char quote = text[at - 1];
    const std::string colour = page_colour(red, green, blue);
    if (colour.empty() || (quote != '\'' && quote != '"')) continue;
    const std::size_t begin = attribute_begin(text, at - 1);
    if (begin == std::string::npos || begin < done) continue;
    const std::string name = text.substr(begin, text.find_first_of(" =", begin) - begin);
    out += text.substr(done, begin - done);
    out += fmt::format("style={}{}:{}", quote, name, colour);
    done = end + 1;
  }
  return out + text.substr(done);
}

}  // namespace

std::string ColourMark::series(std::size_t index) {
  return fmt::format("#0103{:02x}", index % kSeriesColours);
}

Result<std::string> inline_svg(std::string_view document, const std::string& id, std::string_view title) {
  const std::size_t begin = document.find("<svg"), end = document.rfind("</svg>");
  const std::size_t body = begin == std::string_view::npos ? begin : document.find('>', begin);
  if (body == std::string_view::npos || end == std::string_view::npos || end < body)
    return fail(ErrorCode::internal, fmt::format("gnuplot's picture {} holds no <svg> element", id));
  const std::string_view head = document.substr(begin, body - begin);
  const std::size_t box = head.find("viewBox=\"");
  const std::size_t box_end = box == std::string_view::npos ? box : head.find('"', box + 9);
  if (box_end == std::string_view::npos)
    return fail(ErrorCode::internal, fmt::format("gnuplot's picture {} has no viewBox", id));
  std::string text(document.substr(body + 1, end - body - 1));
  remove_elements(text, "<title>", "</title>");
  remove_elements(text, "<desc>", "</desc>");
  remove_elements(text, "<filter", "</filter>");
  replace_all(text, "xlink:href", "href");
  text = with_page_colours(text);
  remove_color_attributes(text);
  remove_empty_groups(text);
  for (const char* prefix : {"id='", "id=\"", "href='#", "href=\"#"})
    replace_all(text, prefix, prefix + id + "-");
  return fmt::format(
      "<svg {} role=\"img\" aria-labelledby=\"{}-title\"><title id=\"{}-title\">{}</title>{}</svg>",
      head.substr(box, box_end + 1 - box), id, id, escape_html(title), text);
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace adder::report
