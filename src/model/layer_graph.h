#pragma once

// One architecture as graph code: what a layer computes. Everything around the layers (embedding, the stack,
// final norm, head) is language_model.h's.
// Legend: B batch, T tokens, D model; each architecture's file has the rest.

#include <memory>
#include <optional>
#include <string>

#include "arch/config.h"
#include "model/named.h"
#include "model/policy.h"

namespace adder::model {

/// Where the tokens of one call stand.
struct Place {
  Value lengths;   ///< s32 [B]: real tokens of each row, which come first
  Value position;  ///< s32 [B]: tokens that each row has absorbed before these
  /// s32 [B], in a loop of steps whose windows are rings (Policy::ring_windows): the oldest row of each, see
  /// causal_conv.
  std::optional<Value> phase;
};

struct LayerIn {
  std::int64_t layer;    ///< index
  const Named& weights;  ///< by local name: "mixer.D"
  Value x;               ///< [B,T,D] float32, the residual stream
  const Named& state;    ///< by local name: "ssm_state" [B,H,P,N]
  const Place& place;
  const Policy& policy;
};
struct LayerOut {
  Value x;      ///< [B,T,D]
  Named state;  ///< every field of LayerIn::state after each row's last real token, in the same order
};

/// Immutable; safe from any thread.
class LayerGraph {
 public:
  virtual ~LayerGraph() = default;
  /// Tokens past a row's length must leave no trace in what is real, and a row of length 0 keeps its state
  /// bit for bit. Throws hlo::BuildError.
  virtual LayerOut layer(const LayerIn& in) const = 0;
  /// Layers of one kind, shapes being equal, share one private function.
  virtual std::string kind(std::int64_t /*layer*/) const { return "layer"; }
  /// Whether a layer reads the position; others do not get it as an argument of their function.
  virtual bool reads_position(std::int64_t /*layer*/) const { return false; }
};
using LayerGraphRef = std::shared_ptr<const LayerGraph>;

/// The graph of a config's architecture; nullptr for one that has none. Each is one file and one line in
/// arch/families.h.
LayerGraphRef make_graph(const arch::ConfigRef& config);

}  // namespace adder::model
