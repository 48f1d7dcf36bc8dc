#pragma once

// The Mamba-2 mixer, block and language model as graph code. Legend in config.h; definition:
// state-spaces/mamba `modules/mamba2.py` and `modules/block.py`.

#include "model/layers.h"
#include "model/parameters.h"
#include "model/state.h"

namespace adder::model {

/// Where the tokens of one call stand.
struct Place {
  Value lengths;               ///< [B] s32: real tokens of each row
  std::optional<Value> phase;  ///< [B] s32: windows are rings, see causal_conv_ring
};

struct LayerOut {
  Value x;                  ///< [B,T,D]
  LayerState<Value> state;  ///< after each row's last real token
};

/// x [B,T,D] (already normed) -> [B,T,D].
LayerOut mixer(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, const Normed& x,
               const LayerState<Value>& s, const Place& place);

/// x + mixer(norm(x)); the residual stream is float32.
LayerOut block(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, Value x,
               const LayerState<Value>& s, const Place& place);

/// The stack of blocks. Each layer is a call of one private function, declared on first use.
class LanguageModel {
 public:
  /// The module must outlive this object. Not thread safe.
  LanguageModel(hlo::Module& module, const Mamba2Config& config, const Policy& policy);

  struct Out {
    std::vector<Value> hidden;  ///< L+1 of [B,T,D]: the embedding, then after each layer
    State<Value> state;
  };
  /// tokens [B,T] s32; tokens past a row's length have no effect on anything real. Rings
  /// stay rings.
  Out forward(const Params<Value>& w, Value tokens, const State<Value>& state, const Place& place);

  /// norm_f over x [...,D].
  Normed final_norm(const Params<Value>& w, Value x) const;
  /// x [...,D] (after final_norm) -> logits [...,V] float32, padded rows included.
  Value logits(const Params<Value>& w, const Normed& x) const;

 private:
  LayerOut call_layer(const LayerParams<Value>& w, Value x, const LayerState<Value>& s, const Place& place);

  hlo::Module& module_;
  Mamba2Config config_;
  Policy policy_;
  hlo::Function* layer_ = nullptr;  // for the T and B of the first forward
  Shape layer_input_;
};

}  // namespace adder::model
