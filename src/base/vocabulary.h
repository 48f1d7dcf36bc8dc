#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace adder {

/// A vocabulary as a weights file carries it (GGUF's tokenizer.* keys), uninterpreted: what `checkpoint`
/// reads and `tokenizer` understands, which do not know each other. A plain value.
struct Vocabulary {
  std::string model;                ///< "gpt2" (byte-level BPE), "llama" (SentencePiece), ...
  std::string pre;                  ///< how text is split before the BPE, by name; may be empty
  std::vector<std::string> tokens;  ///< by id
  std::vector<std::int64_t> types;  ///< by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused,
                                    ///< 6 byte; empty if the file does not say
  std::vector<std::string> merges;  ///< "left right", best first
  std::optional<std::int64_t> bos_id, eos_id;
  bool add_bos = false, add_eos = false;
  std::string chat_template;      ///< Jinja source; empty if there is none
  std::string hugging_face_json;  ///< a whole tokenizer.json (tokenizer.huggingface.json); mostly empty
};

}  // namespace adder
