#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace adder {

struct Hash128 {
  std::uint64_t high = 0, low = 0;

  /// 32 lower-case hexadecimal digits, as `xxh128sum` prints them.
  std::string hex() const;
  bool operator==(const Hash128&) const = default;
};

/// XXH3's 128 bits (github.com/Cyan4973/xxHash, stable since 0.8.0) of what is given piece by piece: the same
/// on every machine, at the speed of memory. It tells damage and mix-ups, not forgeries: it is not
/// cryptographic. Move-only; one thread at a time.
class Hasher {
 public:
  Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void bytes(std::span<const std::byte> data);
  /// Eight bytes, little-endian.
  void number(std::uint64_t value);
  /// Its length first, so that ("ab", "c") and ("a", "bc") differ.
  void text(std::string_view value);

  /// Of all so far; more may follow.
  Hash128 value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace adder
