#include "model/spec.h"

#include <algorithm>
#include <string>

namespace adder::model {

std::int64_t ModelSpec::window_rows() const {
  std::int64_t rows = -1;
  for (const arch::StateField& field : state) {
    if (field.kind != arch::StateField::Kind::window) continue;
    if (rows >= 0 && rows != field.row.front()) return 0;
    rows = field.row.front();
  }
  return std::max<std::int64_t>(rows, 0);
}

std::int64_t ModelSpec::weight_bytes() const {
  std::int64_t n = 0;
  for (const arch::Parameter& p : parameters) n += p.shape.bytes();
  return n;
}

ModelSpec make_spec(arch::ConfigRef config, LayerGraphRef graph, Policy policy, DType weight_dtype,
                    std::int64_t capacity) {
  ModelSpec out{.config = std::move(config),
                .policy = std::move(policy),
                .weight_dtype = weight_dtype,
                .graph = std::move(graph),
                .tensors = {},
                .parameters = {},
                .state = {}};
  out.tensors = out.config->tensors();
  out.parameters = arch::parameters(out.tensors, {.weight_dtype = weight_dtype,
                                                  .parts = out.policy.split_in_proj,
                                                  .row_multiple = out.policy.row_multiple});
  out.state = out.config->state(capacity);
  return out;
}

Result<ModelSpec> make_spec(arch::ConfigRef config, Policy policy, DType weight_dtype,
                            std::int64_t capacity) {
  LayerGraphRef graph = make_graph(config);
  if (!graph)
    return fail(ErrorCode::unsupported,
                std::string(config->title()) + ": its checkpoints are read, but there is no graph for it");
  return make_spec(std::move(config), std::move(graph), std::move(policy), weight_dtype, capacity);
}

}  // namespace adder::model
