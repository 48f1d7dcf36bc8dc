#pragma once

// For this room's tests: protocol buffer bytes built by hand.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace adder::profile {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
inline std::string number(std::uint32_t field, std::uint64_t value) {
  return varint(std::uint64_t{field} << 3) + varint(value);
}
inline std::string text(std::uint32_t field, std::string_view bytes) {
  return varint(std::uint64_t{field} << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}
inline std::string packed(std::uint32_t field, std::initializer_list<std::uint64_t> values) {
  std::string bytes;
  for (const std::uint64_t v : values) bytes += varint(v);
  return text(field, bytes);
}

/// Every strict prefix of `bytes`, and every single byte of it changed in a few ways, given to `read`, which
/// must come back, whatever it says.
template <class Read>
void mangle(const std::string& bytes, Read&& read) {
  for (std::size_t n = 0; n < bytes.size(); ++n) read(std::string_view(bytes).substr(0, n));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (const int change : {0x01, 0x02, 0x07, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      read(changed);
    }
}

}  // namespace adder::profile
