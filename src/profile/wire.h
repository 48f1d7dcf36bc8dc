#pragma once

// Protocol buffer bytes read field by field, without a schema: enough for what plugins hand out (XSpace,
// HloModuleProto). Format: protobuf.dev/programming-guides/encoding.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::profile {

/// One field of a message. Which members mean something depends on the wire type that was read.
struct WireField {
  std::uint32_t number = 0;
  std::uint64_t value = 0;  ///< varint, fixed64 or fixed32
  std::string_view bytes;   ///< length-delimited: string, message or packed numbers; a view of the input
  bool delimited = false;   ///< which of the two it is

  std::int64_t as_signed() const { return static_cast<std::int64_t>(value); }
};

/// Walks the fields of one message. Any input is safe: a malformed one ends in an error, and nothing is
/// allocated. Keeps a view of the input.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}
  /// The next field, nullopt at the end. Error corrupt: cut short, a field number of 0, or a wire type that
  /// no message has (groups, which protocol buffers gave up, among them).
  Result<std::optional<WireField>> next();

 private:
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(std::size_t bytes);
  tl::unexpected<Error> corrupt(std::string_view what) const;

  std::string_view rest_;
  std::size_t size_;
};

/// A repeated integer field's numbers from one occurrence: packed, or a single one.
Result<std::vector<std::int64_t>> integers(const WireField& field);

/// Calls visit(field), which gives a Status, for every field of a message; stops at the first error.
template <class Visit>
Status read_fields(std::string_view message, Visit&& visit) {
  WireReader reader(message);
  while (true) {
    ADDER_TRY(const std::optional<WireField> field, reader.next());
    if (!field) return {};
    ADDER_CHECK(visit(*field));
  }
}

}  // namespace adder::profile
