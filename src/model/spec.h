#pragma once

#include <vector>

#include "arch/config.h"
#include "model/layer_graph.h"
#include "model/products.h"

namespace adder::model {

/// Everything about a model that programs are built from and run by: the lists decide the order of arguments,
/// buffers and results alike. A value.
struct ModelSpec {
  arch::ConfigRef config;
  Policy policy;
  DType weight_dtype = DType::f32;  ///< f32, bf16 or s8
  LayerGraphRef graph;
  std::vector<arch::TensorField> tensors;
  std::vector<arch::Parameter> parameters;
  std::vector<arch::StateField> state;  ///< the position is last

  /// Rows of the windows that layers keep, where all keep as many; else 0: then none is made a ring.
  std::int64_t window_rows() const;
  /// Of all parameters, as a device holds them.
  std::int64_t weight_bytes() const;
};

/// `capacity` is that of kv fields, in tokens. Error unsupported: no graph for this architecture.
Result<ModelSpec> make_spec(arch::ConfigRef config, Policy policy, DType weight_dtype,
                            std::int64_t capacity = 0);
/// The same with a graph of the caller's.
ModelSpec make_spec(arch::ConfigRef config, LayerGraphRef graph, Policy policy, DType weight_dtype,
                    std::int64_t capacity = 0);

}  // namespace adder::model
