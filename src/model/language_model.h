#pragma once

// What surrounds the layers of every language model here: embedding, the stack, final norm, head.
// Legend: B batch, T tokens, D model, V vocabulary rows, L layers.

#include <map>

#include "hlo/module.h"
#include "model/layers.h"
#include "model/spec.h"

namespace adder::model {

/// The model of a spec in one module. Each kind and shape of layer is one private function, declared on first
/// use. Not thread safe; the module and the spec must outlive it.
class LanguageModel {
 public:
  /// `weights` in the order of spec.parameters.
  LanguageModel(hlo::Module& module, const ModelSpec& spec, const hlo::Values& weights);

  struct Out {
    std::vector<Value> hidden;  ///< L+1 of [B,T,D]: the embedding, then after each layer
    hlo::Values state;          ///< in the order of spec.state, without the position
  };
  /// tokens [B,T] s32, state in the order of spec.state (the position, if it is there, is not read: it is in
  /// `place`); tokens past a row's length have no effect on anything real. Rings stay rings.
  Out forward(Value tokens, const hlo::Values& state, const Place& place);

  /// Final norm over x [...,D].
  Normed final_norm(Value x) const;
  /// x [...,D] (after final_norm) -> logits [...,V] float32, padded rows included.
  Value logits(const Normed& x) const;

 private:
  LayerOut call_layer(const LayerIn& in);
  hlo::Function& declare_layer(const LayerIn& in, bool with_position);

  hlo::Module& module_;
  const ModelSpec& spec_;
  Named outside_;                                    // parameters of no layer
  std::vector<Named> layers_;                        // and of each
  std::map<std::string, hlo::Function*> functions_;  // by kind and shapes
};

}  // namespace adder::model
