#pragma once
/// The C ABI of the `adder-tokenizer` crate (src/tokenizer/rust). Only src/tokenizer/*.cc includes it.
///
/// Every call that can fail returns one of ADDER_TOKENIZER_*; on failure `*error` receives an owned UTF-8
/// message and the other outputs are not written. Nothing is printed and nothing unwinds out of a call: a
/// panic inside Rust comes back as ADDER_TOKENIZER_INTERNAL. Inputs are borrowed for the call only; a null
/// pointer with size 0 is an empty input. Outputs are owned by the caller and go back through the
/// matching free function, once. A handle may be used by any number of threads at the same time.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ADDER_TOKENIZER_OK = 0,
  ADDER_TOKENIZER_BAD_ARGUMENT = 1,  ///< the text, id or context given to the call
  ADDER_TOKENIZER_BAD_FILE = 2,      ///< tokenizer.json or the chat template itself
  ADDER_TOKENIZER_INTERNAL = 3,      ///< a failure or panic inside the crates
};

/// How the text of a token depends on its neighbours.
enum {
  ADDER_DECODER_BYTE_LEVEL = 0,     ///< a token is a fixed string of bytes; text is their concatenation
  ADDER_DECODER_BYTE_FALLBACK = 1,  ///< as OTHER, and a run of `<0xHH>` tokens is decoded as one
  ADDER_DECODER_OTHER = 2,          ///< may depend on the tokens beside it
};

typedef struct AdderTokenizer AdderTokenizer;
/// Owned bytes; data is null when size is 0.
typedef struct AdderBytes {
  uint8_t* data;
  size_t size;
} AdderBytes;
/// Owned token ids, all >= 0; data is null when size is 0.
typedef struct AdderIds {
  int32_t* data;
  size_t size;
} AdderIds;

/// Reads the contents of a tokenizer.json. Its padding and truncation sections are ignored.
int32_t adder_tokenizer_load(const uint8_t* json, size_t size, AdderTokenizer** out, AdderBytes* error);
/// Releases a handle; null is fine. No other call may be using it.
void adder_tokenizer_free(AdderTokenizer* tokenizer);

int32_t adder_tokenizer_encode(const AdderTokenizer* tokenizer, const uint8_t* utf8, size_t size,
                               bool add_special, AdderIds* out, AdderBytes* error);
/// Ids without a token contribute nothing; a negative id is ADDER_TOKENIZER_BAD_ARGUMENT.
int32_t adder_tokenizer_decode(const AdderTokenizer* tokenizer, const int32_t* ids, size_t count,
                               bool skip_special, AdderBytes* out, AdderBytes* error);

/// Distinct tokens, added ones included.
size_t adder_tokenizer_vocab_size(const AdderTokenizer* tokenizer);
/// One more than the largest id.
int32_t adder_tokenizer_id_limit(const AdderTokenizer* tokenizer);
/// ADDER_DECODER_*.
int32_t adder_tokenizer_decoder_kind(const AdderTokenizer* tokenizer);
/// -1 where there is no such token.
int32_t adder_tokenizer_token_to_id(const AdderTokenizer* tokenizer, const uint8_t* utf8, size_t size);
/// False also for an id without a token.
bool adder_tokenizer_is_special(const AdderTokenizer* tokenizer, int32_t id);
/// The vocabulary's spelling of an id, or with `as_bytes` the bytes it adds to byte-level text.
int32_t adder_tokenizer_id_to_token(const AdderTokenizer* tokenizer, int32_t id, bool as_bytes, bool* found,
                                    AdderBytes* out, AdderBytes* error);

/// Renders a Jinja chat template; `context` is a JSON object holding its variables.
int32_t adder_chat_template_apply(const uint8_t* source, size_t source_size, const uint8_t* context,
                                  size_t context_size, AdderBytes* out, AdderBytes* error);

void adder_bytes_free(AdderBytes bytes);
void adder_ids_free(AdderIds ids);

#ifdef __cplusplus
}
#endif
