#pragma once

#include "arch/families.h"
#include "model/layer_graph.h"

namespace adder::model {

// What families.h names: the graph of a config that is of the factory's architecture.
#define ADDER_DECLARE(identifier, factory) LayerGraphRef factory(const arch::ConfigRef& config);
ADDER_ARCHITECTURES(ADDER_DECLARE)
#undef ADDER_DECLARE

}  // namespace adder::model
