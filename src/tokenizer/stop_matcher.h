#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::tokenizer {

/// Watches streamed text for stop strings and holds back what could be the beginning of one.
/// The first stop string to be completed ends the text, at its first character; of several that are completed
/// by the same character the longest wins. The outcome does not depend on how the text is cut into pieces.
/// Not thread safe; one matcher per sequence.
class StopMatcher {
 public:
  /// Empty or non-UTF-8 stop strings are invalid_argument. No stop strings at all is fine.
  static Result<StopMatcher> create(std::vector<std::string> stops);

  struct Step {
    std::string emit;                    ///< text that is certain not to belong to a stop string
    std::optional<std::size_t> stopped;  ///< index of the stop string that ended the text
  };

  /// Takes a further piece of the text (whole UTF-8 characters in, whole characters out).
  /// Once stopped, every further step is empty and repeats the index.
  Step feed(std::string_view text);
  /// The text ended without a stop string: returns what was held back.
  std::string finish();

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t> border;  // border[k]: longest proper prefix that is a suffix of text[0, k)
    std::size_t matched = 0;          // longest prefix of text that is a suffix of the input so far
  };
  explicit StopMatcher(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {}
  static std::vector<std::size_t> borders(std::string_view text);
  std::optional<std::size_t> advance(char c);

  std::vector<Pattern> patterns_;
  std::string held_;
  std::optional<std::size_t> stopped_;
};

}  // namespace adder::tokenizer
