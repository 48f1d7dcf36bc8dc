#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

struct AdderTokenizer;  // tokenizer/rust/adder_tokenizer.h

namespace adder::tokenizer {

/// Whether encoding runs the tokenizer's post-processor, which may add tokens such as a leading <s>.
/// Special tokens spelled out in the text are recognised either way.
enum class AddSpecial { no, yes };
/// Whether decoding leaves special tokens out of the text.
enum class SkipSpecial { no, yes };

/// How a token's text depends on its neighbours; StreamDecoder chooses its method by it.
enum class Decoding {
  byte_level,     ///< fixed bytes per token (GPT-2, GPT-NeoX, Llama 3)
  byte_fallback,  ///< may depend on neighbours, and a run of `<0xHH>` tokens is decoded as one
                  ///< (SentencePiece)
  other,          ///< may depend on neighbours
};

/// A Hugging Face tokenizer.json. Every const method may be called from several threads at once.
/// Ids are those of the file: model vocabularies are often padded beyond id_limit().
class Tokenizer {
 public:
  /// `path` is a tokenizer.json or a directory that holds one.
  /// Errors: not_found; corrupt where the file is not a tokenizer, with the parser's reason; internal.
  static Result<Tokenizer> open(const std::filesystem::path& path);
  /// The same from memory; `name` stands for the file in messages. Truncation and padding settings are
  /// ignored.
  static Result<Tokenizer> from_json(std::string_view json, const std::string& name);

  /// `text` must be UTF-8; invalid_argument names the first byte that is not. Empty text is no tokens
  /// (unless AddSpecial adds some).
  Result<std::vector<std::int32_t>> encode(std::string_view text, AddSpecial add = AddSpecial::yes) const;

  /// Valid UTF-8: bytes that form no character become U+FFFD. Ids without a token contribute nothing, so that
  /// a padded model vocabulary is harmless; a negative id is invalid_argument.
  Result<std::string> decode(std::span<const std::int32_t> ids, SkipSpecial skip = SkipSpecial::yes) const;

  /// Distinct tokens, added ones included.
  std::size_t vocab_size() const;
  /// One more than the largest id; equal to vocab_size() where ids have no holes.
  std::int32_t id_limit() const;
  /// The id of a token as the vocabulary spells it ("<|endoftext|>", "Ġthe"), empty where there is none.
  std::optional<std::int32_t> token_id(std::string_view token) const;
  /// The vocabulary's spelling of an id, empty where there is none. For readable text use decode().
  std::optional<std::string> token_text(std::int32_t id) const;
  /// The bytes an id adds to the text; meaningful for Decoding::byte_level only. Not UTF-8 in general.
  std::optional<std::string> token_bytes(std::int32_t id) const;
  /// Whether SkipSpecial::yes leaves this id out; false where the id has no token.
  bool is_special(std::int32_t id) const;
  Decoding decoding() const;

 private:
  struct Free {
    void operator()(AdderTokenizer* handle) const;
  };
  explicit Tokenizer(AdderTokenizer* handle) : handle_(handle) {}

  std::unique_ptr<AdderTokenizer, Free> handle_;
};

/// Renders a Hugging Face chat template (Jinja, with trim_blocks and lstrip_blocks, Python string methods,
/// raise_exception, and tojson spelled as Python does). `context_json` is a JSON object with the template's
/// variables: messages, add_generation_prompt, bos_token, eos_token, tools, ... There is no strftime_now, so
/// a template's output depends on its context alone. A template that does not parse is corrupt; one that
/// fails or calls raise_exception is invalid_argument with its message. Thread safe.
Result<std::string> apply_chat_template(std::string_view source, std::string_view context_json);

}  // namespace adder::tokenizer
