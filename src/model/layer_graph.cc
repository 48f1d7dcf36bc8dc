#include "model/layer_graph.h"

#include "model/factories.h"

namespace adder::model {

LayerGraphRef make_graph(const arch::ConfigRef& config) {
#define ADDER_MATCH(identifier, factory) \
  if (config->architecture() == arch::identifier.name) return factory(config);
  ADDER_ARCHITECTURES(ADDER_MATCH)
#undef ADDER_MATCH
  return nullptr;
}

}  // namespace adder::model
