#pragma once

#include <string_view>

#include "adder/error.h"
#include "base/json.h"
#include "checkpoint/config.h"

namespace adder::checkpoint {

/// Decides which dialect a config object is written in and that it describes a Mamba-2 language model.
/// Errors: unsupported, with one sentence that says what the model is instead (Mamba-1, Mamba-3, a hybrid,
/// another architecture); corrupt if nothing in it can be recognised.
Result<Dialect> detect_dialect(const Json& object, std::string_view origin);

}  // namespace adder::checkpoint
