#pragma once

#include <string>
#include <vector>

#include "base/fields.h"

/// config.json's quantization_config (older: compression_config), as compressed-tensors writes it:
/// github.com/neuralmagic/compressed-tensors, QuantizationConfig and QuantizationArgs there. Adder reads one
/// kind: format "int-quantized", 8-bit symmetric integers with a scale a channel. Which weights are stored so
/// the files themselves tell, so targets and ignore are not interpreted; how activations are quantised is the
/// device's affair, so long as nothing about them is stored.
namespace adder::arch {

/// Looks at that field of a config, if it is there. Appends a line to `problems` for each thing that is
/// malformed and one to `unsupported` for each that is well-formed and not the kind above; another
/// quant_method (gptq, awq, bitsandbytes, fp8, ...) is named in one line and not looked into.
void check_quantization(const Fields& config, std::vector<std::string>& problems,
                        std::vector<std::string>& unsupported);

}  // namespace adder::arch
