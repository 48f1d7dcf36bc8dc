#pragma once

#include <string>

#include "arch/config.h"
#include "base/dtype.h"

namespace adder::checkpoint {

/// The text of a config.json in the Hugging Face dialect (transformers) that says what `config`
/// says: parse_config() of it gives the same sizes and constants. `dtype` is what most weights are stored in;
/// with `int8`, what those are stored in that are not int8, and a quantization_config tells the rest.
///
/// transformers knows one vocabulary size, the embedding's rows. So vocab_size has these, and the ids that
/// exist are in unpadded_vocab_size where they are fewer.
std::string hugging_face_config(const arch::Config& config, DType dtype, bool int8 = false);

}  // namespace adder::checkpoint
