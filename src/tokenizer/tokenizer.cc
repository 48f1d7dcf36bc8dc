#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <system_error>

#include "base/files.h"
#include "tokenizer/rust/adder_tokenizer.h"

namespace adder::tokenizer {
namespace {

namespace fs = std::filesystem;

/// Far above any real tokenizer.json (the largest are some 35 MB); keeps a wrong path from filling the
/// memory.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{512} << 20;

/// Owned bytes from Rust, released on scope exit.
struct Bytes {
  AdderBytes raw{nullptr, 0};

  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { adder_bytes_free(raw); }
  std::string str() const {
    return raw.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(raw.data), raw.size);
  }
};

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

ErrorCode code_of(std::int32_t status) {
  switch (status) {
    case ADDER_TOKENIZER_BAD_ARGUMENT:
      return ErrorCode::invalid_argument;
    case ADDER_TOKENIZER_BAD_FILE:
      return ErrorCode::corrupt;
    default:
      return ErrorCode::internal;
  }
}

Result<std::string> read_file(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    return fail(ErrorCode::not_found, fmt::format("{}: no such file", path.string()),
                "a checkpoint needs tokenizer.json for text; without it give token ids");
  }
  return read_regular_file(path, kMaxFileBytes);
}

}  // namespace

void Tokenizer::Free::operator()(AdderTokenizer* handle) const { adder_tokenizer_free(handle); }

Result<Tokenizer> Tokenizer::open(const fs::path& path) {
  std::error_code ec;
  const fs::path file = fs::is_directory(path, ec) ? path / "tokenizer.json" : path;
  ADDER_TRY(const std::string json, read_file(file));
  return from_json(json, file.string());
}

Result<Tokenizer> Tokenizer::from_json(std::string_view json, const std::string& name) {
  AdderTokenizer* handle = nullptr;
  Bytes error;
  const std::int32_t status = adder_tokenizer_load(bytes_of(json), json.size(), &handle, &error.raw);
  if (status != ADDER_TOKENIZER_OK) {
    return fail(ErrorCode::corrupt, fmt::format("{}: not a usable tokenizer: {}", name, error.str()),
                "expected a Hugging Face tokenizer.json");
  }
  return Tokenizer(handle);
}

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view text, AddSpecial add) const {
  AdderIds ids{nullptr, 0};
  Bytes error;
  const std::int32_t status = adder_tokenizer_encode(handle_.get(), bytes_of(text), text.size(),
                                                     add == AddSpecial::yes, &ids, &error.raw);
  if (status != ADDER_TOKENIZER_OK) return fail(code_of(status), "tokenizer encode: " + error.str());
  std::vector<std::int32_t> out(ids.data, ids.data + ids.size);
  adder_ids_free(ids);
  return out;
}

Result<std::string> Tokenizer::decode(std::span<const std::int32_t> ids, SkipSpecial skip) const {
  Bytes text;
  Bytes error;
  const std::int32_t status = adder_tokenizer_decode(handle_.get(), ids.data(), ids.size(),
                                                     skip == SkipSpecial::yes, &text.raw, &error.raw);
  if (status != ADDER_TOKENIZER_OK) return fail(code_of(status), "tokenizer decode: " + error.str());
  return text.str();
}

std::size_t Tokenizer::vocab_size() const { return adder_tokenizer_vocab_size(handle_.get()); }

std::int32_t Tokenizer::id_limit() const { return adder_tokenizer_id_limit(handle_.get()); }

std::optional<std::int32_t> Tokenizer::token_id(std::string_view token) const {
  const std::int32_t id = adder_tokenizer_token_to_id(handle_.get(), bytes_of(token), token.size());
  return id < 0 ? std::nullopt : std::optional(id);
}

namespace {

std::optional<std::string> look_up(const AdderTokenizer* handle, std::int32_t id, bool as_bytes) {
  Bytes token;
  Bytes error;
  bool found = false;
  const std::int32_t status =
      adder_tokenizer_id_to_token(handle, id, as_bytes, &found, &token.raw, &error.raw);
  if (status != ADDER_TOKENIZER_OK || !found) return std::nullopt;
  return token.str();
}

}  // namespace

std::optional<std::string> Tokenizer::token_text(std::int32_t id) const {
  return look_up(handle_.get(), id, false);
}

std::optional<std::string> Tokenizer::token_bytes(std::int32_t id) const {
  return look_up(handle_.get(), id, true);
}

bool Tokenizer::is_special(std::int32_t id) const { return adder_tokenizer_is_special(handle_.get(), id); }

Decoding Tokenizer::decoding() const {
  switch (adder_tokenizer_decoder_kind(handle_.get())) {
    case ADDER_DECODER_BYTE_LEVEL:
      return Decoding::byte_level;
    case ADDER_DECODER_BYTE_FALLBACK:
      return Decoding::byte_fallback;
    default:
      return Decoding::other;
  }
}

Result<std::string> apply_chat_template(std::string_view source, std::string_view context_json) {
  Bytes text;
  Bytes error;
  const std::int32_t status = adder_chat_template_apply(
      bytes_of(source), source.size(), bytes_of(context_json), context_json.size(), &text.raw, &error.raw);
  if (status != ADDER_TOKENIZER_OK) return fail(code_of(status), "chat template: " + error.str());
  return text.str();
}

}  // namespace adder::tokenizer
