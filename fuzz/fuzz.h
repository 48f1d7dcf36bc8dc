#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>

/// libFuzzer's entry point. The input is in memory of exactly its size, so that AddressSanitizer sees a read
/// past its end. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// A property that holds for every input; one that breaks it is saved and ends the run.
#define FUZZ_CHECK(condition)                                                                      \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: property does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                                \
    }                                                                                              \
  } while (false)

namespace adder::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

/// Whether `part` lies inside `whole`; an empty one lies everywhere.
inline bool inside(std::span<const std::byte> whole, std::span<const std::byte> part) {
  const std::less_equal<const std::byte*> not_after;
  return part.empty() || (not_after(whole.data(), part.data()) &&
                          not_after(part.data() + part.size(), whole.data() + whole.size()));
}
inline bool inside(std::span<const std::byte> whole, std::string_view part) {
  return inside(whole, std::as_bytes(std::span(part)));
}

/// Whether an error can be shown to people: one message of bounded length, however large the input.
inline bool is_readable(std::string_view message) { return !message.empty() && message.size() < 100'000; }

}  // namespace adder::fuzz
