#include "ahead/target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <ranges>

#include "base/files.h"

namespace adder::ahead {
namespace {

constexpr std::uint64_t kLargestTargetFile = 1 << 20;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "[1,2,3]"; nullopt for anything else.
std::optional<std::vector<std::int64_t>> list(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = trim(text.substr(1, text.size() - 2));
  std::vector<std::int64_t> out;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto value = number<std::int64_t>(trim(text.substr(0, comma)));
    if (!value) return std::nullopt;
    out.push_back(*value);
    text = trim(text.substr(std::min(comma + 1, text.size())));
  }
  return out;
}

pjrt::NamedValue option(std::string name, const std::string& text) {
  if (text == "true" || text == "false") return {std::move(name), text == "true"};
  if (const auto n = number<std::int64_t>(text)) return {std::move(name), *n};
  if (const auto x = number<float>(text)) return {std::move(name), *x};
  if (auto values = list(text)) return {std::move(name), *std::move(values)};
  return {std::move(name), text};
}

/// One "key = value" with the section it lies in ("" before the first).
struct Entry {
  std::string section, key, value;
  int line = 0;
};

Error bad(std::string_view origin, int line, std::string what) {
  return {ErrorCode::corrupt, fmt::format("target {}: line {}: {}", origin, line, what),
          "docs/DEVICES.md says what a target's file holds"};
}

Result<std::vector<Entry>> entries(std::string_view text, std::string_view origin) {
  std::vector<Entry> out;
  std::string section;
  int line = 0;
  while (!text.empty()) {
    ++line;
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view whole = text.substr(0, end), content = trim(whole);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty() || content.front() == '#') continue;
    if (whole.front() == ' ' || whole.front() == '\t') {
      if (out.empty()) return fail(bad(origin, line, "an indented line with nothing above to go on with"));
      std::string& value = out.back().value;
      if (!value.empty()) value += ' ';
      value += content;
      continue;
    }
    if (content.front() == '[' && content.back() == ']') {
      section = content.substr(1, content.size() - 2);
      continue;
    }
    const auto equals = content.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(bad(origin, line, fmt::format("expected key = value, got \"{}\"", content)));
    out.push_back({section, std::string(trim(content.substr(0, equals))),
                   std::string(trim(content.substr(equals + 1))), line});
  }
  return out;
}

Status put_plain(Target& target, const Entry& e, std::string_view origin) {
  const std::map<std::string_view, std::string*> texts{{"platform", &target.platform},
                                                       {"topology", &target.topology}};
  const std::map<std::string_view, std::optional<double>*> numbers{
      {"bandwidth", &target.bandwidth}, {"bf16_flops", &target.bf16_flops}, {"f32_flops", &target.f32_flops}};
  if (const auto text = texts.find(e.key); text != texts.end()) {
    *text->second = e.value;
    return {};
  }
  const auto field = numbers.find(e.key);
  if (field == numbers.end())
    return fail(bad(
        origin, e.line,
        fmt::format("unknown key \"{}\"; there are {}, {}", e.key, fmt::join(texts | std::views::keys, ", "),
                    fmt::join(numbers | std::views::keys, ", "))));
  const auto value = number<double>(e.value);
  if (!value || !std::isfinite(*value) || *value <= 0)
    return fail(
        bad(origin, e.line, fmt::format("{}: expected a number above 0, got \"{}\"", e.key, e.value)));
  *field->second = *value;
  return {};
}

Status put(Target& target, Entry e, std::string_view origin) {
  if (e.section.empty()) return put_plain(target, e, origin);
  if (e.section == "options") {
    target.options.push_back(option(e.key, e.value));
  } else if (e.section == "flags") {
    target.flags.emplace_back(std::move(e.key), std::move(e.value));
  } else if (e.section == "environment") {
    target.environment.emplace_back(std::move(e.key), std::move(e.value));
  } else {
    return fail(
        bad(origin, e.line,
            fmt::format("unknown section [{}]; there are [options], [flags], [environment]", e.section)));
  }
  return {};
}

}  // namespace

Result<Target> parse_target(std::string_view text, std::string name, std::string_view origin) {
  Target out;
  out.name = std::move(name);
  ADDER_TRY(std::vector<Entry> all, entries(text, origin));
  for (Entry& e : all) ADDER_CHECK(put(out, std::move(e), origin));
  for (const auto& [key, value] :
       {std::pair("platform", &out.platform), std::pair("topology", &out.topology)})
    if (value->empty())
      return fail(ErrorCode::corrupt, fmt::format("target {}: it has no line \"{} = ...\"", origin, key),
                  "docs/DEVICES.md says what a target's file holds");
  return out;
}

Result<Target> find_target(const std::string& request) {
  const auto& known = known_targets();
  if (const auto found = known.find(request); found != known.end())
    return parse_target(found->second, request, request);
  ADDER_TRY(const std::filesystem::file_type type, type_of(request));
  if (type == std::filesystem::file_type::not_found)
    return fail(ErrorCode::not_found,
                fmt::format("target \"{}\": neither a known target nor a file", request),
                fmt::format("known: {}; another device is a file like those in src/ahead/targets",
                            fmt::join(known | std::views::keys, ", ")));
  ADDER_TRY(const std::string text, read_regular_file(request, kLargestTargetFile));
  return parse_target(text, std::filesystem::path(request).stem().string(), request);
}

}  // namespace adder::ahead
