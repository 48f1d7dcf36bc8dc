#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "adder/error.h"

namespace adder::formats {

/// Reads a file's bytes front to back and never past their end. `what` in errors says what was being read.
class GgufCursor {
 public:
  /// `origin` names the file in messages; both must outlive the cursor.
  GgufCursor(std::span<const std::byte> bytes, std::string_view origin) : bytes_(bytes), origin_(origin) {}

  std::string_view origin() const { return origin_; }
  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return bytes_.size() - position_; }
  std::span<const std::byte> rest() const { return bytes_.subspan(position_); }

  Result<std::span<const std::byte>> take(std::uint64_t n, std::string_view what) {
    if (n > left())
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: {}: expected {} bytes at {}, the file has {} left", origin_, what, n,
                              position_, left()),
                  "the file may be an unfinished download; fetch it again");
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(n));
    position_ += static_cast<std::size_t>(n);
    return taken;
  }

  /// A little-endian number.
  template <class T>
  Result<T> number(std::string_view what) {
    static_assert(std::is_unsigned_v<T>);
    ADDER_TRY(const std::span<const std::byte> bytes, take(sizeof(T), what));
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return static_cast<T>(value);
  }

  /// Length in 64 bits, then the bytes; any bytes.
  Result<std::string_view> string(std::string_view what) {
    ADDER_TRY(const auto size, number<std::uint64_t>(what));
    ADDER_TRY(const std::span<const std::byte> bytes, take(size, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view origin_;
  std::size_t position_ = 0;
};

}  // namespace adder::formats
