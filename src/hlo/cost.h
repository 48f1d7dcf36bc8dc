#pragma once

#include "hlo/module.h"

namespace adder::hlo {

/// Work of one call of a finished function, by the rules that Cost states.
Cost cost_of(const Function& function);

}  // namespace adder::hlo
