#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "adder/error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8_stream.h"

namespace adder::tokenizer {

/// Token ids in, text out, as early as the text is certain. Every piece is valid UTF-8, and all pieces plus
/// finish() together are Tokenizer::decode of all ids. The cost of a push does not depend on how many came
/// before.
///
/// Byte-level tokenizers: a token's bytes are known, so at most three bytes wait for the rest of a character.
/// Others: the new text is the difference of two decodes over a window of the last few tokens; a run of
/// byte-fallback tokens waits for its end, because one bad byte turns the whole run into U+FFFD.
/// The equality holds for every decoder that only appends as tokens are appended (all but some exotic
/// sequences that rewrite or trim the end of the text).
///
/// Not thread safe; one decoder per sequence. The tokenizer must outlive it and stay where it is.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, SkipSpecial skip = SkipSpecial::yes);

  /// Tokens that come before the first push and whose text is not wanted, such as the prompt: what follows is
  /// decoded as their continuation (it keeps a leading space, and may finish a character they began).
  Status prime(std::span<const std::int32_t> ids);
  /// The text that has become certain; often empty. A negative id is invalid_argument and changes nothing.
  Result<std::string> push(std::int32_t id);
  /// Stops at the first error; the text of the ids before it is lost.
  Result<std::string> push(std::span<const std::int32_t> ids);
  /// The rest, with U+FFFD for an unfinished character. The decoder is then as new.
  Result<std::string> finish();

 private:
  Result<std::string> push_window(std::int32_t id);
  Result<std::string> advance(bool final);
  Status rebase();

  const Tokenizer* tokenizer_;
  SkipSpecial skip_;
  Decoding decoding_;
  Utf8Stream bytes_;                  // byte_level only
  std::vector<std::int32_t> window_;  // others: context_ tokens already emitted, then pending ones
  std::size_t context_ = 0;
  std::string emitted_;  // decode of the first context_ tokens of the window
};

}  // namespace adder::tokenizer
