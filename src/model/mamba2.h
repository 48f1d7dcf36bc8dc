#pragma once

// The Mamba-2 mixer, block and language model as graph code. Legend in config.h; definition:
// state-spaces/mamba `modules/mamba2.py` and `modules/block.py`.

#include "model/layers.h"
#include "model/parameters.h"
#include "model/state.h"

namespace adder::model {

struct LayerOut {
  Value x;                  ///< [B,T,D]
  LayerState<Value> state;  ///< after each row's last real token
};

/// x [B,T,D] (already normed) -> [B,T,D]; lengths [B] s32: real tokens of each row.
LayerOut mixer(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, Value x,
               const LayerState<Value>& s, Value lengths);

/// x + mixer(norm(x)); the residual stream is float32.
LayerOut block(const Mamba2Config& c, const Policy& policy, const LayerParams<Value>& w, Value x,
               const LayerState<Value>& s, Value lengths);

/// The stack of blocks. Each layer is a call of one private function, declared on first use.
class LanguageModel {
 public:
  /// The module must outlive this object. Not thread safe.
  LanguageModel(hlo::Module& module, const Mamba2Config& config, const Policy& policy);

  struct Out {
    std::vector<Value> hidden;  ///< L+1 of [B,T,D]: the embedding, then after each layer
    State<Value> state;
  };
  /// tokens [B,T] s32; tokens past a row's length have no effect on anything real.
  Out forward(const Params<Value>& w, Value tokens, const State<Value>& state, Value lengths);

  /// norm_f over x [...,D].
  Value final_norm(const Params<Value>& w, Value x) const;
  /// x [...,D] (after final_norm) -> logits [...,V] float32, padded rows included.
  Value logits(const Params<Value>& w, Value x) const;

 private:
  LayerOut call_layer(const LayerParams<Value>& w, Value x, const LayerState<Value>& s, Value lengths);

  hlo::Module& module_;
  Mamba2Config config_;
  Policy policy_;
  hlo::Function* layer_ = nullptr;  // for the T and B of the first forward
  Shape layer_input_;
};

}  // namespace adder::model
