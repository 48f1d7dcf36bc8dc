#pragma once

#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "engine/graphs.h"
#include "pjrt/client.h"

namespace adder::engine {

/// A buffer for each of ModelSpec::parameters, in that order.
using Weights = std::vector<pjrt::Buffer>;

/// Uploads every parameter of `spec`, tensor by tensor, converted to the device's dtype. On CPU plugins the
/// converted host array becomes the buffer, so nothing is held twice; a tensor that needs no conversion and
/// lies at a multiple of 64 bytes in a safetensors file becomes the buffer where it is, in the mapped file,
/// which then stays mapped until the last such buffer is gone. Errors name the tensor.
Result<Weights> load_weights(const checkpoint::Checkpoint& checkpoint, const ModelSpec& spec,
                             const pjrt::Client& client, const pjrt::Device& device, Progress& progress);

}  // namespace adder::engine
