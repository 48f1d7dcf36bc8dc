#include "hlo/cost.h"

#include <algorithm>
#include <map>

#include "hlo/node.h"

namespace adder::hlo {

Cost& Cost::operator+=(const Cost& other) {
  dot_flops += other.dot_flops;
  elementwise_flops += other.elementwise_flops;
  bytes += other.bytes;
  return *this;
}

namespace {

/// What one call of a function costs, with argument traffic kept apart so that a caller can follow it.
struct Summary {
  Cost cost;                                 ///< bytes: loop-carried values only
  std::vector<std::int64_t> argument_reads;  ///< bytes by argument
};

class Counter {
 public:
  explicit Counter(const Function& function) : body_(function.body()) {
    for (std::size_t i = 0; i < body_.root.arguments.size(); ++i) argument_of_[body_.root.arguments[i]] = i;
    summary_.argument_reads.resize(body_.root.arguments.size());
  }
  Summary run() {
    scope(body_.root, 1);
    return std::move(summary_);
  }
  /// Whether a loop made this value; its traffic is counted with the loop.
  bool made_by_loop(ValueId id) const { return loop_results_.count(id) > 0; }

 private:
  using Reads = std::map<std::size_t, std::int64_t>;  // bytes by argument, within one scope

  void scope(const Region& region, std::int64_t times);
  void walk(const Region& region, std::int64_t times, Reads& reads);
  void loop(const Node& node, std::int64_t times);
  void call(const Node& node, std::int64_t times, Reads& reads);
  void flops(const Node& node, std::int64_t times);
  void read(const Node& node, Reads& reads);
  std::int64_t written(const Region& body, ValueId from, ValueId to) const;

  const Shape& shape(ValueId id) const { return body_.values[id].shape; }

  const FunctionBody& body_;
  std::map<ValueId, std::size_t> argument_of_;  // values that are an argument, also when carried unchanged
  std::map<ValueId, bool> loop_results_;
  Summary summary_;
};

/// A function's body or one loop's: an argument used in it is read once a run, however often it is named.
void Counter::scope(const Region& region, std::int64_t times) {
  Reads reads;
  walk(region, times, reads);
  for (const auto& [argument, bytes] : reads) {
    const std::int64_t whole = shape(body_.root.arguments[argument]).bytes();
    summary_.argument_reads[argument] += times * std::min(bytes, whole);
  }
}

void Counter::walk(const Region& region, std::int64_t times, Reads& reads) {
  for (const Node& node : region.nodes) {
    if (node.kind == OpKind::while_) {
      loop(node, times);
    } else if (node.kind == OpKind::call) {
      call(node, times, reads);
    } else {
      flops(node, times);
      read(node, reads);
      if (node.kind == OpKind::if_)  // both branches: an upper bound
        for (const auto& branch : node.regions) walk(*branch, times, reads);
    }
  }
}

void Counter::loop(const Node& node, std::int64_t times) {
  const std::int64_t trips = times * std::get<WhileAttributes>(node.attributes).trip_count.value_or(1);
  const Region& body = *node.regions[1];
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const ValueId inside = body.arguments[i];
    const bool unchanged = body.yields[i] == inside;
    const auto origin = argument_of_.find(node.operands[i]);
    if (unchanged && origin != argument_of_.end()) {
      const std::size_t argument = origin->second;
      argument_of_[inside] = argument_of_[node.regions[0]->arguments[i]] = argument_of_[node.results[i]] =
          argument;
    }
    if (!unchanged) loop_results_[node.results[i]] = true;
  }
  scope(body, trips);
  for (std::size_t i = 0; i < node.operands.size(); ++i)
    if (!made_by_loop(body.yields[i]) && body.yields[i] != body.arguments[i])
      summary_.cost.bytes += trips * 2 * written(body, body.arguments[i], body.yields[i]);
}

/// Bytes that one iteration changes: the slices alone where the new value is the old one with slices updated.
std::int64_t Counter::written(const Region& body, ValueId from, ValueId to) const {
  std::int64_t bytes = 0;
  ValueId at = to;
  for (auto node = body.nodes.rbegin(); node != body.nodes.rend() && at != from; ++node) {
    if (node->results.front() != at || node->kind != OpKind::dynamic_update_slice) continue;
    bytes += shape(node->operands[1]).bytes();
    at = node->operands[0];
  }
  return at == from ? std::min(bytes, shape(to).bytes()) : shape(to).bytes();
}

void Counter::call(const Node& node, std::int64_t times, Reads& reads) {
  const Summary inner = Counter(*std::get<CallAttributes>(node.attributes).callee).run();
  summary_.cost.dot_flops += times * inner.cost.dot_flops;
  summary_.cost.elementwise_flops += times * inner.cost.elementwise_flops;
  summary_.cost.bytes += times * inner.cost.bytes;
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const auto found = argument_of_.find(node.operands[i]);
    if (found == argument_of_.end()) continue;
    // A loop inside the callee may read an argument several times; only the first can share this scope's
    // read.
    const std::int64_t shared = std::min(inner.argument_reads[i], shape(node.operands[i]).bytes());
    reads[found->second] += shared;
    summary_.argument_reads[found->second] += times * (inner.argument_reads[i] - shared);
  }
}

void Counter::read(const Node& node, Reads& reads) {
  const bool selective =
      node.kind == OpKind::gather || node.kind == OpKind::slice || node.kind == OpKind::dynamic_slice;
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const auto found = argument_of_.find(node.operands[i]);
    if (found == argument_of_.end()) continue;
    reads[found->second] += shape(selective && i == 0 ? node.results[0] : node.operands[i]).bytes();
  }
}

void Counter::flops(const Node& node, std::int64_t times) {
  if (node.results.empty()) return;
  const std::int64_t out = shape(node.results[0]).elements();
  if (const auto* dot = std::get_if<DotAttributes>(&node.attributes)) {
    std::int64_t contracted = 1;
    for (std::int64_t axis : dot->dims.lhs_contracting)
      contracted *= shape(node.operands[0]).dims[static_cast<std::size_t>(axis)];
    summary_.cost.dot_flops += times * 2 * out * contracted;
  } else if (node.kind == OpKind::reduce) {
    for (std::size_t i = 0; i < node.results.size(); ++i)
      summary_.cost.elementwise_flops += times * shape(node.operands[i]).elements();
  } else if (const auto* window = std::get_if<ReduceWindowAttributes>(&node.attributes)) {
    const Shape box{DType::f32, window->window.window_dimensions};
    summary_.cost.elementwise_flops += times * out * box.elements();
  } else if (info(node.kind).arithmetic) {
    summary_.cost.elementwise_flops += times * out;
  }
}

}  // namespace

Cost cost_of(const Function& function) {
  Counter counter(function);
  const Summary summary = counter.run();
  Cost cost = summary.cost;
  for (std::int64_t bytes : summary.argument_reads) cost.bytes += bytes;
  for (ValueId id : function.body().root.yields)
    if (!counter.made_by_loop(id)) cost.bytes += function.body().values[id].shape.bytes();
  return cost;
}

}  // namespace adder::hlo
