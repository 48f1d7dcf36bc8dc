#include "tokenizer/stop_matcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tokenizer/utf8_stream.h"

namespace adder::tokenizer {

Result<StopMatcher> StopMatcher::create(std::vector<std::string> stops) {
  std::vector<Pattern> patterns;
  patterns.reserve(stops.size());
  for (std::size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) {
      return fail(ErrorCode::invalid_argument, fmt::format("stop string {} is empty", i),
                  "an empty stop string would end every text at once; leave it out");
    }
    if (const auto at = find_invalid_utf8(stops[i]); at != std::string_view::npos) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("stop string {} is not valid UTF-8 at byte {}", i, at));
    }
    auto border = borders(stops[i]);
    patterns.push_back({std::move(stops[i]), std::move(border), 0});
  }
  return StopMatcher(std::move(patterns));
}

// Knuth, Morris, Pratt: the failure function.
std::vector<std::size_t> StopMatcher::borders(std::string_view text) {
  std::vector<std::size_t> border(text.size() + 1, 0);
  std::size_t k = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    while (k > 0 && text[i] != text[k]) k = border[k];
    if (text[i] == text[k]) ++k;
    border[i + 1] = k;
  }
  return border;
}

/// Moves every pattern on by one byte; returns the longest one that it completes.
std::optional<std::size_t> StopMatcher::advance(char c) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    Pattern& p = patterns_[i];
    while (p.matched > 0 && p.text[p.matched] != c) p.matched = p.border[p.matched];
    if (p.text[p.matched] == c) ++p.matched;
    if (p.matched < p.text.size()) continue;
    if (!found || p.text.size() > patterns_[*found].text.size()) found = i;
  }
  return found;
}

StopMatcher::Step StopMatcher::feed(std::string_view text) {
  if (stopped_) return {{}, stopped_};
  for (std::size_t i = 0; i < text.size(); ++i) {
    stopped_ = advance(text[i]);
    if (!stopped_) continue;
    held_ += text.substr(0, i + 1);
    held_.resize(held_.size() - patterns_[*stopped_].text.size());
    return {std::exchange(held_, {}), stopped_};
  }
  held_ += text;
  std::size_t keep = 0;
  for (const Pattern& p : patterns_) keep = std::max(keep, p.matched);
  Step step{held_.substr(0, held_.size() - keep), std::nullopt};
  held_.erase(0, held_.size() - keep);
  return step;
}

std::string StopMatcher::finish() {
  for (Pattern& p : patterns_) p.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace adder::tokenizer
