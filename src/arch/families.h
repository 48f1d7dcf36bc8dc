#pragma once

#include "arch/config.h"

/// The table of architectures: X(identifier in arch, factory in model). A new one is a line here, a file in
/// arch/ that defines the first and a file in model/ that defines the second. Recognition asks in this order.
#define ADDER_ARCHITECTURES(X) \
  X(kMamba2, make_mamba2)      \
  X(kFalconMamba, make_mamba1) \
  X(kMamba1, make_mamba1)

namespace adder::arch {

#define ADDER_DECLARE(identifier, factory) extern const Architecture identifier;
ADDER_ARCHITECTURES(ADDER_DECLARE)
#undef ADDER_DECLARE

}  // namespace adder::arch
