#include "cli/number_ranges.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/json.h"

namespace adder::cli {

namespace {

constexpr std::size_t kMost = 1000;

/// The number that `text` begins with, which is cut off.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || out < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return out;
}

}  // namespace

Result<std::vector<std::int64_t>> parse_range(std::string_view word, NumberLimits limits) {
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: {}", in_quotes(word), why));
  };
  constexpr std::string_view kForms = "expected a number, or FIRST-LAST, FIRST-LAST+STEP, FIRST-LAST*FACTOR";
  std::string_view rest = word;
  const auto first = take_number(rest);
  if (!first) return wrong(kForms);
  std::int64_t last = *first, step = 1;
  bool multiply = false;
  if (!rest.empty()) {
    if (rest.front() != '-') return wrong(kForms);
    rest.remove_prefix(1);
    const auto end = take_number(rest);
    if (!end) return wrong(kForms);
    last = *end;
  }
  if (!rest.empty()) {
    multiply = rest.front() == '*';
    if (!multiply && rest.front() != '+') return wrong(kForms);
    rest.remove_prefix(1);
    const auto by = take_number(rest);
    if (!by || !rest.empty()) return wrong(kForms);
    step = *by;
  }
  if (*first < limits.least || last > limits.most || *first > last)
    return wrong(fmt::format("expected {} to {}, ascending", limits.least, limits.most));
  if (step < (multiply ? 2 : 1) || (multiply && *first == 0)) return wrong("it would never end");
  std::vector<std::int64_t> out;
  for (std::int64_t n = *first; n <= last; n = multiply ? n * step : n + step) {
    if (out.size() == kMost) return wrong(fmt::format("more than {} numbers", kMost));
    out.push_back(n);
    if (multiply && n > limits.most / step) break;
  }
  return out;
}

}  // namespace adder::cli
