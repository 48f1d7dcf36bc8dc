#include "tokenizer/utf8_stream.h"

namespace adder::tokenizer {

// Lead bytes and the range of the byte after them: Unicode 15, table 3-7.
bool Utf8Stream::start(unsigned char byte) {
  low_ = 0x80;
  high_ = 0xBF;
  if (byte >= 0xC2 && byte <= 0xDF) {
    missing_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    missing_ = 2;
    if (byte == 0xE0) low_ = 0xA0;   // shorter forms exist
    if (byte == 0xED) high_ = 0x9F;  // surrogates
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    missing_ = 3;
    if (byte == 0xF0) low_ = 0x90;
    if (byte == 0xF4) high_ = 0x8F;  // beyond U+10FFFF
  } else {
    return false;
  }
  held_[0] = static_cast<char>(byte);
  held_size_ = 1;
  return true;
}

void Utf8Stream::push_byte(unsigned char byte, std::string& out) {
  if (missing_ > 0) {
    if (byte >= low_ && byte <= high_) {
      low_ = 0x80;
      high_ = 0xBF;
      held_[held_size_++] = static_cast<char>(byte);
      if (--missing_ == 0) out.append(held_.data(), held_size_);
      return;
    }
    out += kReplacement;
    missing_ = 0;
  }
  if (byte < 0x80) {
    out += static_cast<char>(byte);
  } else if (!start(byte)) {
    out += kReplacement;
  }
}

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) push_byte(static_cast<unsigned char>(c), out);
}

void Utf8Stream::finish(std::string& out) {
  if (missing_ > 0) out += kReplacement;
  missing_ = 0;
}

std::size_t find_invalid_utf8(std::string_view text) {
  Utf8Stream stream;
  std::string out;
  std::size_t valid = 0;  // bytes of whole characters so far
  for (std::size_t i = 0; i < text.size(); ++i) {
    stream.push(text.substr(i, 1), out);
    if (out.empty()) continue;
    if (out != text.substr(valid, i + 1 - valid)) return valid;
    valid = i + 1;
    out.clear();
  }
  return valid == text.size() ? std::string_view::npos : valid;
}

}  // namespace adder::tokenizer
