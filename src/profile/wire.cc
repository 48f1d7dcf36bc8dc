#include "profile/wire.h"

#include <fmt/format.h>

namespace adder::profile {

tl::unexpected<Error> WireReader::corrupt(std::string_view what) const {
  return fail(ErrorCode::corrupt,
              fmt::format("protocol buffer of {} bytes: at byte {}: {}", size_, size_ - rest_.size(), what));
}

Result<std::uint64_t> WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return corrupt("a number is cut short");
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return corrupt("a number is longer than 64 bits");
}

Result<std::uint64_t> WireReader::fixed(std::size_t bytes) {
  if (rest_.size() < bytes) return corrupt("a number is cut short");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << (8 * i);
  rest_.remove_prefix(bytes);
  return value;
}

Result<std::optional<WireField>> WireReader::next() {
  if (rest_.empty()) return std::optional<WireField>();
  ADDER_TRY(const std::uint64_t tag, varint());
  WireField field;
  if ((tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return corrupt(fmt::format("field number {}", tag >> 3));
  field.number = static_cast<std::uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0: {
      ADDER_TRY(field.value, varint());
      return field;
    }
    case 1: {
      ADDER_TRY(field.value, fixed(8));
      return field;
    }
    case 5: {
      ADDER_TRY(field.value, fixed(4));
      return field;
    }
    case 2: {
      ADDER_TRY(const std::uint64_t length, varint());
      if (length > rest_.size())
        return corrupt(
            fmt::format("field {} holds {} bytes, but {} are left", field.number, length, rest_.size()));
      field.bytes = rest_.substr(0, length);
      field.delimited = true;
      rest_.remove_prefix(length);
      return field;
    }
    default:
      return corrupt(fmt::format("field {} has wire type {}, expected 0, 1, 2 or 5", field.number, tag & 7));
  }
}

Result<std::vector<std::int64_t>> integers(const WireField& field) {
  std::vector<std::int64_t> out;
  if (!field.delimited) return out.push_back(field.as_signed()), out;
  std::string_view rest = field.bytes;
  while (!rest.empty()) {
    std::uint64_t value = 0;
    unsigned shift = 0;
    bool more = true;
    while (more) {
      if (rest.empty() || shift >= 64)
        return fail(ErrorCode::corrupt,
                    fmt::format("protocol buffer: field {}: a packed number is {}", field.number,
                                rest.empty() ? "cut short" : "longer than 64 bits"));
      const auto byte = static_cast<std::uint8_t>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      more = (byte & 0x80) != 0;
    }
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

}  // namespace adder::profile
