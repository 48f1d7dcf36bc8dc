#include "tokenizer/stream_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace adder::tokenizer {
namespace {

/// Tokens kept before the new ones. One is enough for nearly every tokenizer; more are used while their text
/// is empty (a lone space that the decoder strips at the start).
constexpr std::size_t kMaxContext = 16;
/// Tokens that may wait without adding certain text before they are let go anyway.
constexpr std::size_t kMaxPending = 64;

/// SentencePiece's spelling of a single byte, `<0xHH>`.
bool is_byte_token(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

/// Length of the common prefix, in whole characters.
std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto [end, unused] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  auto n = static_cast<std::size_t>(end - a.begin());
  while (n > 0 && n < a.size() && (static_cast<unsigned char>(a[n]) & 0xC0) == 0x80) --n;
  return n;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, SkipSpecial skip)
    : tokenizer_(&tokenizer), skip_(skip), decoding_(tokenizer.decoding()) {}

Result<std::string> StreamDecoder::push(std::int32_t id) {
  if (id < 0) return fail(ErrorCode::invalid_argument, fmt::format("token id {} is negative", id));
  if (skip_ == SkipSpecial::yes && tokenizer_->is_special(id)) return std::string();
  if (decoding_ != Decoding::byte_level) return push_window(id);
  std::string out;
  if (const auto bytes = tokenizer_->token_bytes(id)) bytes_.push(*bytes, out);
  return out;
}

Result<std::string> StreamDecoder::push(std::span<const std::int32_t> ids) {
  std::string out;
  for (const std::int32_t id : ids) {
    ADDER_TRY(const std::string text, push(id));
    out += text;
  }
  return out;
}

Result<std::string> StreamDecoder::push_window(std::int32_t id) {
  const auto token = tokenizer_->token_text(id);
  if (!token) return std::string();
  window_.push_back(id);
  if (decoding_ == Decoding::byte_fallback && is_byte_token(*token)) return std::string();
  return advance(false);
}

/// Emits what the pending tokens add to the context. Unless `final`, text that ends in U+FFFD waits: it may
/// be the first bytes of a character. (Not so under byte fallback, where the token that ends a run settles
/// it.)
Result<std::string> StreamDecoder::advance(bool final) {
  ADDER_TRY(const std::string text, tokenizer_->decode(window_, skip_));
  std::string added = text.substr(common_prefix(text, emitted_));
  const bool unsettled = decoding_ == Decoding::other && added.ends_with(kReplacement);
  const bool waits = added.empty() || unsettled;
  if (waits && !final && window_.size() - context_ < kMaxPending) return std::string();
  ADDER_CHECK(rebase());
  return added;
}

/// Makes the shortest tail of the window with any text the new context.
Status StreamDecoder::rebase() {
  const std::span<const std::int32_t> all(window_);
  std::size_t count = 0;
  do {
    ++count;
    ADDER_TRY(emitted_, tokenizer_->decode(all.last(count), skip_));
  } while (emitted_.empty() && count < std::min(all.size(), kMaxContext));
  window_.erase(window_.begin(), window_.end() - static_cast<std::ptrdiff_t>(count));
  context_ = count;
  return {};
}

Status StreamDecoder::prime(std::span<const std::int32_t> ids) {
  ADDER_TRY(const std::string unwanted, push(ids));
  (void)unwanted;
  if (window_.size() == context_) return {};
  ADDER_TRY(std::string text, tokenizer_->decode(window_, skip_));
  if (text.ends_with(kReplacement)) return {};
  emitted_ = std::move(text);
  context_ = window_.size();
  return {};
}

Result<std::string> StreamDecoder::finish() {
  std::string out;
  bytes_.finish(out);
  if (window_.size() > context_) {
    ADDER_TRY(out, advance(true));
  }
  window_.clear();
  context_ = 0;
  emitted_.clear();
  return out;
}

}  // namespace adder::tokenizer
