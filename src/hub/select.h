#pragma once

#include <string>
#include <vector>

#include "adder/error.h"
#include "hub/model_id.h"
#include "hub/remote.h"

namespace adder::hub {

/// What is going to be used of a repository.
enum class Needs {
  model,     ///< config, one set of weights, and the tokenizer where there is one
  weights,   ///< the same, and it does not matter whether there is a tokenizer
  tokenizer  ///< tokenizer.json with what describes it, and no weights
};

/// The files of a repository that Adder needs, in the listing's order: config.json, params.json,
/// generation_config.json, tokenizer*.json, special_tokens_map.json and chat_template.jinja from its top
/// folder, and one set of weights. `include` (shell patterns over whole paths, '*' matches '/' too; what
/// matches any of them) says which weights; empty means the first of these that is there, in the top folder:
///   model.safetensors, or model-NNNNN-of-NNNNN.safetensors with their index;
///   consolidated*.safetensors with their index;
///   any other .safetensors;
///   pytorch_model.bin, or its shards with their index;
///   a .gguf, if there is one only.
/// Error not_found, naming what there is, if there are no such weights or nothing matches.
Result<std::vector<RemoteFile>> select_files(const std::vector<RemoteFile>& files,
                                             const std::vector<std::string>& include, const ModelId& id);

/// The files that a tokenizer is made of: tokenizer*.json, special_tokens_map.json, chat_template.jinja of
/// the top folder. Error not_found if there is no tokenizer.json.
Result<std::vector<RemoteFile>> select_tokenizer(const std::vector<RemoteFile>& files, const ModelId& id);

/// Whether a file's name says that it holds weights: .safetensors, .gguf, pytorch_model*.bin.
bool is_weights_name(std::string_view file_name);

}  // namespace adder::hub
