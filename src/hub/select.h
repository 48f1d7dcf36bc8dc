#pragma once

#include <string>
#include <vector>

#include "adder/error.h"
#include "hub/model_id.h"
#include "hub/remote.h"

namespace adder::hub {

/// The files of a repository that Adder needs, in the listing's order: config.json, params.json,
/// generation_config.json, tokenizer*.json, special_tokens_map.json and chat_template.jinja from its top
/// folder, and one set of weights. `include` (shell patterns over whole paths, '*' matches '/' too; what
/// matches any of them) says which weights; empty means the first of these that is there, in the top folder:
///   model.safetensors, or model-NNNNN-of-NNNNN.safetensors with their index;
///   consolidated*.safetensors with their index;
///   any other .safetensors;
///   pytorch_model.bin, or its shards with their index.
/// Error not_found, naming what there is, if there are no such weights or nothing matches.
Result<std::vector<RemoteFile>> select_files(const std::vector<RemoteFile>& files,
                                             const std::vector<std::string>& include, const ModelId& id);

/// Whether a file's name says that it holds weights: .safetensors, .gguf, pytorch_model*.bin.
bool is_weights_name(std::string_view file_name);

}  // namespace adder::hub
