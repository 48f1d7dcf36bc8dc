#include "base/hash.h"

#include <fmt/format.h>

#include <array>

#define XXH_INLINE_ALL  // a header, and no library to be there at run time
#include <xxhash.h>

namespace adder {

struct Hasher::State {
  XXH3_state_t xxh;
};

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

Hasher::Hasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::bytes(std::span<const std::byte> data) {
  if (!data.empty()) XXH3_128bits_update(&state_->xxh, data.data(), data.size());
}

void Hasher::number(std::uint64_t value) {
  std::array<std::byte, 8> little{};
  for (std::size_t i = 0; i < little.size(); ++i) little[i] = static_cast<std::byte>(value >> (8 * i) & 0xff);
  bytes(little);
}

void Hasher::text(std::string_view value) {
  number(value.size());
  bytes(std::as_bytes(std::span(value)));
}

Hash128 Hasher::value() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.high64, hash.low64};
}

}  // namespace adder
