#pragma once

#include <string>
#include <vector>

#include "base/shape.h"
#include "model/config.h"

namespace adder::model {

/// What one layer remembers. Instantiated for shapes, graph values and device buffers.
template <class T>
struct LayerState {
  T conv;  ///< [B,K-1,F] raw conv inputs, oldest first
  T ssm;   ///< [B,H,P,N]
};
template <class T>
using State = std::vector<LayerState<T>>;

/// Calls f(name, field, q.field...) for every state tensor; names are "conv_state.i" and "ssm_state.i".
template <class F, class P, class... Q>
void visit_state(F&& f, P& p, Q&... q) {
  (q.resize(p.size()), ...);
  for (std::size_t i = 0; i < p.size(); ++i) {
    f("conv_state." + std::to_string(i), p[i].conv, q[i].conv...);
    f("ssm_state." + std::to_string(i), p[i].ssm, q[i].ssm...);
  }
}

State<Shape> state_shapes(const Mamba2Config& config, std::int64_t batch);

}  // namespace adder::model
