#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace adder {
namespace {

std::string hash_of(std::string_view text, std::size_t piece) {
  Hasher hasher;
  for (std::size_t at = 0; at < text.size(); at += piece)
    hasher.bytes(std::as_bytes(std::span(text.substr(at, piece))));
  return hasher.value().hex();
}

// As printed by xxh128sum 0.8.1.
TEST(Hash, IsXxh128) {
  EXPECT_EQ(hash_of("", 1), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of("abc", 3), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(hash_of(std::string(1000, 'x'), 1000), "50a1af5a5f2dcf01c0a4877b962cba82");
}

TEST(Hash, PiecesDoNotMatterAndLengthsOfTextsDo) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7 % 251);
  for (const std::size_t piece : {1u, 63u, 64u, 256u, 4999u})
    EXPECT_EQ(hash_of(text, piece), hash_of(text, 5000));
  const auto texts = [](std::string_view a, std::string_view b) {
    Hasher hasher;
    hasher.text(a);
    hasher.text(b);
    return hasher.value();
  };
  EXPECT_NE(texts("ab", "c"), texts("a", "bc"));
  Hasher number, bytes;
  number.number(0x0102);
  bytes.bytes(std::as_bytes(std::span(std::string_view("\x02\x01\0\0\0\0\0\0", 8))));
  EXPECT_EQ(number.value(), bytes.value());
}

}  // namespace
}  // namespace adder
