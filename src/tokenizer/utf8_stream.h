#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace adder::tokenizer {

/// Bytes in, UTF-8 out, piece by piece. What comes out altogether is what decoding all bytes at once with
/// U+FFFD for each maximal invalid part gives (Unicode 15, section 3.9, "U+FFFD substitution of maximal
/// subparts"; the same rule as Rust's from_utf8_lossy). At most three bytes are ever held back.
class Utf8Stream {
 public:
  /// Appends to `out` the characters that `bytes` completes.
  void push(std::string_view bytes, std::string& out);
  /// Appends U+FFFD for an unfinished character, if there is one, and starts afresh.
  void finish(std::string& out);

 private:
  void push_byte(unsigned char byte, std::string& out);
  bool start(unsigned char byte);

  std::array<char, 4> held_{};
  std::size_t held_size_ = 0;
  int missing_ = 0;           // continuation bytes still to come
  unsigned char low_ = 0x80;  // range of the next continuation byte
  unsigned char high_ = 0xBF;
};

/// U+FFFD in UTF-8.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// The offset of the first byte that belongs to no valid character, or npos where all is valid.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace adder::tokenizer
