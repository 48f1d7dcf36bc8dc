#pragma once

#include <string>
#include <string_view>

#include "adder/error.h"
#include "base/vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace adder::tokenizer {

/// The tokenizer.json that says the same as a vocabulary out of a GGUF file. If the file carries a whole
/// tokenizer.json, that is it. Otherwise the model must be "gpt2" (byte-level BPE) and `pre` one of the
/// splitters that are known here; an absent `pre` is taken for GPT-2's. What the format does not store is
/// filled in as the Hugging Face originals have it: NFC normalisation for "mpt" and "olmo" (the GPT-NeoX
/// family) and "qwen2", none for others. Control and unknown tokens are special, user-defined ones are
/// matched whole, unused ones (padding) do not exist. Errors: unsupported (another model or splitter, naming
/// it and those that are known), corrupt (a token that is not UTF-8 or appears twice, a merge that is not two
/// tokens, lists of different lengths). `origin` names the file in messages.
Result<std::string> tokenizer_json_from_vocabulary(const Vocabulary& vocabulary, std::string_view origin);

/// That, opened.
Result<Tokenizer> tokenizer_from_vocabulary(const Vocabulary& vocabulary, const std::string& origin);

}  // namespace adder::tokenizer
