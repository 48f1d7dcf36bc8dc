#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/log.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/model_id.h"
#include "hub/select.h"
#include "hub/supervision.h"

namespace adder::hub {

/// When the hub may be asked. HF_HUB_OFFLINE makes all of them `never`.
enum class Network {
  never,   ///< what is in the cache counts
  needed,  ///< only if something is missing in the cache
  refresh  ///< always: a branch may have moved
};

struct EnsureOptions {
  std::vector<std::string> include;  ///< as in PullOptions; of no use with Needs::tokenizer
  Network network = Network::needed;
  RetryPolicy retry;
  Timeouts timeouts;
};

struct Ensured {
  /// Of a model, what -m takes: the snapshot's folder, or the one .gguf. Of a tokenizer, its tokenizer.json.
  std::filesystem::path path;
  std::string commit;
  bool asked = false;  ///< whether the hub was asked, be it that nothing was missing
  std::uint64_t bytes_fetched = 0;
};

/// Makes sure that what is needed of a repository is in the Hugging Face cache, downloading what is missing
/// as pull() does. Nothing is asked of the network when all is there; then a run starts at once. All is there
/// if the snapshot of the revision, as of the last download by whatever library, holds
///   a model:     a config and one whole set of weights (every shard and the index; or one .gguf, or the one
///                that `include` matches), and tokenizer.json, or a sign (.no_exist, as huggingface_hub makes
///                it) that the repository has none;
///   weights:     the same, with or without a tokenizer;
///   a tokenizer: tokenizer.json.
/// What is missing is fetched at that snapshot's commit, so that a branch that has moved meanwhile does not
/// mix two versions; Network::refresh goes to where the branch is now. If all but the tokenizer is there and
/// the hub cannot be reached, a warning is given and the model is used as it is.
///
/// Errors: not_found (missing, and not to be asked for: the message says what and where); failed_precondition
/// (several .gguf fit); those of pull().
/// Thread rule: as pull().
Result<Ensured> ensure(const ModelId& id, Needs needs, const EnsureOptions& options,
                       const Environment& environment, Supervision watch,
                       Progress& progress = null_progress());

/// What a user may write for a model on a hub: ORG/NAME, then as in llama.cpp's -hf :QUANT for the GGUF file
/// whose name ends in it ("Q8_0", in any case), then @REV, in either order.
struct HubName {
  ModelId id;
  std::vector<std::string> include;  ///< patterns for :QUANT; empty without
};
/// Errors: those of parse_model_id; invalid_argument if QUANT is not of letters, digits, '_', '-' and '.'.
Result<HubName> parse_hub_name(std::string_view text);

/// The tokenizer that a checkpoint in state-spaces' own layout was trained with and does not ship:
/// EleutherAI/gpt-neox-20b's, for a vocabulary of its 50,277 tokens, or that padded to a multiple of up
/// to 64. nullopt for any other.
std::optional<ModelId> usual_tokenizer(std::int64_t vocab_size);

}  // namespace adder::hub
