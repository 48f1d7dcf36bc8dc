#pragma once

#include <string>

#include "base/dtype.h"
#include "checkpoint/config.h"

namespace adder::checkpoint {

/// The text of a config.json in the Hugging Face dialect (transformers, Mamba2Config) that says what `config`
/// says: parse_config() of it gives the same sizes and constants. `dtype` is what most weights are stored in.
///
/// transformers knows one vocabulary size, the embedding's rows. So vocab_size has these, and the ids that
/// exist are in unpadded_vocab_size where they are fewer.
std::string hugging_face_config(const ModelConfig& config, DType dtype);

}  // namespace adder::checkpoint
