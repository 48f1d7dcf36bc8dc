// tokenizer::Tokenizer::from_json, then a short text there and back.

#include "base/json.h"
#include "fuzz.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace adder;
using tokenizer::Tokenizer;

constexpr std::string_view kText = "He said: \"two 12 caf\u00e9s\"\n\t\u4e2d\U0001f600</s> ok";

bool is_utf8(const std::string& text) {
  try {
    (void)Json(text).dump();  // strict about it
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

void check_decode(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  const auto text = tokenizer.decode(ids);
  FUZZ_CHECK(text ? is_utf8(*text) : fuzz::is_readable(text.error().message));
  tokenizer::StreamDecoder stream(tokenizer);
  const auto begin = stream.push(ids);
  if (begin) FUZZ_CHECK(is_utf8(*begin));
  const auto end = stream.finish();
  const bool is_whole = begin && end && text;
  if (is_whole && tokenizer.decoding() == tokenizer::Decoding::byte_level) FUZZ_CHECK(*begin + *end == *text);
}

void check_encode(const Tokenizer& tokenizer, tokenizer::AddSpecial add) {
  const auto ids = tokenizer.encode(kText, add);
  if (!ids) {
    FUZZ_CHECK(fuzz::is_readable(ids.error().message));
    return;
  }
  for (const std::int32_t id : *ids) {
    FUZZ_CHECK(id >= 0);
    (void)tokenizer.token_bytes(id);
    (void)tokenizer.is_special(id);
  }
  check_decode(tokenizer, *ids);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tokenizer = Tokenizer::from_json(fuzz::as_text(data, size), "input");
  if (!tokenizer) {
    FUZZ_CHECK(fuzz::is_readable(tokenizer.error().message));
    return 0;
  }
  FUZZ_CHECK(tokenizer->id_limit() >= 0);
  FUZZ_CHECK(tokenizer->vocab_size() <= size);
  check_encode(*tokenizer, tokenizer::AddSpecial::yes);
  check_encode(*tokenizer, tokenizer::AddSpecial::no);
  const std::int32_t ids[] = {0, 1, 2, 3, 2'000'000'000};
  check_decode(*tokenizer, ids);
  return 0;
}
