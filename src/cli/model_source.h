#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/console.h"

// Names on the command line that may be paths, or repositories of a hub.
namespace adder::cli {

/// What may be done about what is not in the cache.
enum class Fetch {
  never,   ///< nothing
  ask,     ///< download it if a person at the terminal says so
  always,  ///< download it
};

/// What -m names: the path itself if it exists, else that model in the Hugging Face cache, downloaded first
/// if it is not there and `fetch` allows it. ORG/NAME[@REV] may end in :QUANT, which picks the GGUF file with
/// QUANT in its name (as llama.cpp's -hf does). Errors: not_found, with both things the name could have
/// meant; those of hub::ensure.
Result<std::filesystem::path> find_model(const std::filesystem::path& model, Fetch fetch, Console& console);

/// The tokenizer.json of ORG/NAME[@REV] in the cache, downloaded as above; nullopt if it is not there and is
/// not to be downloaded.
Result<std::optional<std::filesystem::path>> find_hub_tokenizer(const std::string& id, Fetch fetch,
                                                                Console& console);

}  // namespace adder::cli
