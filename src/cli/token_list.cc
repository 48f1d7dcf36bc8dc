#include "cli/token_list.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/json.h"

namespace adder::cli {

namespace {
constexpr std::string_view kSeparators = ", \t\r\n";
}  // namespace

Result<std::vector<std::int64_t>> parse_numbers(std::string_view text, std::string_view origin) {
  std::vector<std::int64_t> out;
  while (true) {
    const auto begin = text.find_first_not_of(kSeparators);
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (end != word.data() + word.size() || code == std::errc::invalid_argument)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: {} is not a whole number", origin, in_quotes(word, 40)),
                  "write numbers separated by commas, blanks or newlines, such as 1,2,3");
    if (code == std::errc::result_out_of_range)
      number = word.front() == '-' ? std::numeric_limits<std::int64_t>::min()
                                   : std::numeric_limits<std::int64_t>::max();
    out.push_back(number);
    text.remove_prefix(word.size());
  }
}

Result<std::vector<std::int32_t>> check_token_ids(std::span<const std::int64_t> numbers,
                                                  std::int64_t vocab_size) {
  if (numbers.empty())
    return fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least one token");
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : numbers) {
    if (id < 0 || id >= vocab_size)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("token id {} is outside the vocabulary: expected 0 to {}", id, vocab_size - 1));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

}  // namespace adder::cli
