#include "hlo/parts.h"

#include <algorithm>
#include <map>
#include <set>

#include "hlo/build.h"

namespace adder::hlo {
namespace {

using Origins = std::map<ValueId, int>;  // main's argument behind a value

bool calls_functions(const Region& region) {
  return std::any_of(region.nodes.begin(), region.nodes.end(), [](const Node& node) {
    return node.kind == OpKind::call || std::any_of(node.regions.begin(), node.regions.end(),
                                                    [](const auto& r) { return calls_functions(*r); });
  });
}

bool is_walked(const Node& node) {
  return node.kind == OpKind::call || (node.kind == OpKind::while_ && calls_functions(*node.regions[1]));
}

/// Costs nothing by itself once fused into whoever reads it.
bool is_view(const Node& node) {
  switch (node.kind) {
    case OpKind::constant:
    case OpKind::iota:
    case OpKind::reshape:
    case OpKind::slice:
    case OpKind::broadcast_in_dim:
      return true;
    default:
      return false;
  }
}

/// Every value that a node reads, those captured by its regions included.
void read_by(const Node& node, std::vector<ValueId>& out) {
  out.insert(out.end(), node.operands.begin(), node.operands.end());
  for (const auto& region : node.regions) {
    for (const Node& inner : region->nodes) read_by(inner, out);
    out.insert(out.end(), region->yields.begin(), region->yields.end());
  }
}

void defined_by(const Node& node, std::set<ValueId>& out) {
  out.insert(node.results.begin(), node.results.end());
  for (const auto& region : node.regions) {
    out.insert(region->arguments.begin(), region->arguments.end());
    for (const Node& inner : region->nodes) defined_by(inner, out);
  }
}

/// A value that a region yields, and the argument that it is the next value of.
struct Update {
  ValueId argument, next;
};

/// The first `depth` names of a path.
std::string cut_path(const std::string& path, int depth) {
  std::size_t end = 0;
  for (int i = 0; i < depth && end != std::string::npos; ++i) end = path.find('/', i == 0 ? 0 : end + 1);
  return path.substr(0, end);
}

/// Cuts one region into groups, in an order in which they could run one after the other. A node that is
/// walked (a call, a loop with calls) is a group of its own, without a function.
class Cutter {
 public:
  Cutter(const Function& function, const Region& region, int depth)
      : function_(function), region_(region), depth_(depth) {}

  std::vector<Part> run(const std::vector<Update>& updates) {
    for (const Node& node : region_.nodes)
      for (ValueId id : node.results) maker_[id] = &node;
    for (const Node& node : region_.nodes)
      if (!is_view(node)) place(node);
    find_outputs();
    for (Part& part : parts_)
      if (part.function != nullptr) complete(part, updates);
    return std::move(parts_);
  }

 private:
  /// The values that `id` is a view of: itself, or what its maker reads; none for a constant.
  void roots(ValueId id, std::vector<ValueId>& out) const {
    const auto maker = maker_.find(id);
    if (maker == maker_.end() || !is_view(*maker->second)) return out.push_back(id);
    for (ValueId operand : maker->second->operands) roots(operand, out);
  }
  std::vector<ValueId> roots_of(const std::vector<ValueId>& ids) const {
    std::vector<ValueId> out;
    for (ValueId id : ids) roots(id, out);
    return out;
  }
  std::vector<ValueId> roots_read_by(const Node& node) const {
    std::vector<ValueId> reads;
    read_by(node, reads);
    return roots_of(reads);
  }

  void place(const Node& node);
  void find_outputs();
  void complete(Part& part, const std::vector<Update>& updates) const;
  void need(ValueId id, std::set<const Node*>& kept) const;

  const Function& function_;
  const Region& region_;
  int depth_;
  std::map<ValueId, const Node*> maker_;
  std::map<ValueId, std::size_t> group_;
  std::vector<Part> parts_;
};

void Cutter::place(const Node& node) {
  const bool walked = is_walked(node);
  const std::string scope = cut_path(function_.body().scope_names[node.scope], depth_);
  std::size_t earliest = 0, group = parts_.size();  // what it reads must run before it
  for (ValueId id : roots_read_by(node))
    if (const auto found = group_.find(id); found != group_.end())
      earliest = std::max(earliest, found->second);
  for (std::size_t g = parts_.size(); !walked && group == parts_.size() && g-- > earliest;)
    if (parts_[g].function != nullptr && parts_[g].scope == scope) group = g;
  if (group == parts_.size()) {
    parts_.emplace_back();
    parts_.back().scope = scope;
    parts_.back().function = walked ? nullptr : &function_;
  }
  parts_[group].nodes.push_back(&node);
  for (ValueId id : node.results) group_[id] = group;
}

void Cutter::find_outputs() {
  std::set<ValueId> outputs;
  for (std::size_t g = 0; g < parts_.size(); ++g)
    for (const Node* node : parts_[g].nodes)
      for (ValueId id : roots_read_by(*node))
        if (const auto from = group_.find(id); from != group_.end() && from->second != g) outputs.insert(id);
  for (ValueId id : roots_of(region_.yields))
    if (group_.count(id) > 0) outputs.insert(id);
  for (ValueId id : outputs) parts_[group_.at(id)].outputs.push_back(id);
}

/// Keeps the views that lead to `id`, down to values that are no views.
void Cutter::need(ValueId id, std::set<const Node*>& kept) const {
  const auto maker = maker_.find(id);
  if (maker == maker_.end() || !is_view(*maker->second)) return;
  kept.insert(maker->second);
  for (ValueId operand : maker->second->operands) need(operand, kept);
}

void Cutter::complete(Part& part, const std::vector<Update>& updates) const {
  std::set<const Node*> kept(part.nodes.begin(), part.nodes.end());
  for (const Node* node : part.nodes) {
    std::vector<ValueId> reads;
    read_by(*node, reads);
    for (ValueId id : reads) need(id, kept);
  }
  part.nodes.clear();
  std::set<ValueId> defined;
  for (const Node& node : region_.nodes) {
    if (kept.count(&node) == 0) continue;
    part.nodes.push_back(&node);
    defined_by(node, defined);
  }
  for (const Node* node : part.nodes) {
    std::vector<ValueId> reads;
    read_by(*node, reads);
    for (ValueId id : reads)
      if (defined.count(id) == 0 &&
          std::find(part.inputs.begin(), part.inputs.end(), id) == part.inputs.end())
        part.inputs.push_back(id);
  }
  for (ValueId output : part.outputs) {
    int index = -1;
    for (const Update& update : updates) {
      const auto input = std::find(part.inputs.begin(), part.inputs.end(), update.argument);
      if (update.next == output && input != part.inputs.end() && part.shape(output) == part.shape(*input))
        index = static_cast<int>(input - part.inputs.begin());
    }
    part.updates.push_back(index);
  }
}

class Walker {
 public:
  explicit Walker(int depth) : depth_(depth) {}
  std::vector<Part> run(const Function& main) {
    Origins origins;
    const auto& arguments = main.body().root.arguments;
    for (std::size_t i = 0; i < arguments.size(); ++i) origins[arguments[i]] = static_cast<int>(i);
    function(main, origins, 1);
    return std::move(parts_);
  }

 private:
  void function(const Function& f, const Origins& origins, std::int64_t times) {
    const FunctionBody& body = f.body();
    std::vector<Update> updates;
    for (std::size_t r = 0; r < body.signature.results.size(); ++r) {
      const int argument = body.signature.argument_index(body.signature.results[r].name);
      if (argument >= 0)
        updates.push_back({body.root.arguments[static_cast<std::size_t>(argument)], body.root.yields[r]});
    }
    region(f, body.root, updates, origins, times);
  }

  void region(const Function& f, const Region& region, const std::vector<Update>& updates, Origins origins,
              std::int64_t times) {
    auto known = groups_.find(&region);
    if (known == groups_.end())
      known = groups_.emplace(&region, Cutter(f, region, depth_).run(updates)).first;
    for (const Part& group : known->second) {
      if (group.function == nullptr) {
        walk(f, *group.nodes.front(), origins, times);
        continue;
      }
      const auto [entry, is_new] = index_.try_emplace(group.nodes.back(), parts_.size());
      if (is_new) parts_.push_back(group);
      Part::Site site{.arguments = {}, .times = times};
      for (ValueId id : group.inputs) {
        const auto origin = origins.find(id);
        site.arguments.push_back(origin == origins.end() ? -1 : origin->second);
      }
      parts_[entry->second].sites.push_back(std::move(site));
    }
  }

  void walk(const Function& f, const Node& node, const Origins& origins, std::int64_t times) {
    Origins inner = node.kind == OpKind::call ? Origins{} : origins;
    const auto bind = [&](const std::vector<ValueId>& arguments) {
      for (std::size_t i = 0; i < arguments.size(); ++i)
        if (const auto origin = origins.find(node.operands[i]); origin != origins.end())
          inner[arguments[i]] = origin->second;
    };
    if (node.kind == OpKind::call) {
      const Function& callee = *std::get<CallAttributes>(node.attributes).callee;
      bind(callee.body().root.arguments);
      return function(callee, inner, times);
    }
    const Region& body = *node.regions[1];
    bind(body.arguments);
    std::vector<Update> updates;
    for (std::size_t i = 0; i < body.yields.size(); ++i)
      updates.push_back({body.arguments[i], body.yields[i]});
    region(f, body, updates, inner,
           times * std::get<WhileAttributes>(node.attributes).trip_count.value_or(1));
  }

  int depth_;
  std::map<const Region*, std::vector<Part>> groups_;
  std::map<const Node*, std::size_t> index_;  // by a part's last node, which is its own
  std::vector<Part> parts_;
};

/// Copies nodes between functions.
class Emitter {
 public:
  Emitter(const Part& part, Function& into) : from_(part.function->body()), to_(into.body()) {}

  void bind(ValueId from, ValueId to) { ids_[from] = to; }
  ValueId at(ValueId from) const { return ids_.at(from); }

  void node(const Node& n) {
    Node copy{n.kind, mapped(n.operands), {}, n.attributes, {}, n.loc, 0};
    copy.scope = to_.intern_scope(from_.scope_names[n.scope]);
    for (const auto& region : n.regions) copy.regions.push_back(this->region(*region));
    for (ValueId id : n.results) {
      bind(id, to_.define(from_.values[id].shape));
      copy.results.push_back(at(id));
    }
    to_.current().nodes.push_back(std::move(copy));
  }

 private:
  std::vector<ValueId> mapped(const std::vector<ValueId>& ids) const {
    std::vector<ValueId> out;
    for (ValueId id : ids) out.push_back(at(id));
    return out;
  }
  std::unique_ptr<Region> region(const Region& r) {
    auto copy = std::make_unique<Region>();
    copy->id = to_.region_count++;
    copy->may_capture = r.may_capture;
    to_.open.push_back(copy.get());
    for (ValueId id : r.arguments) {
      bind(id, to_.define(from_.values[id].shape));
      copy->arguments.push_back(at(id));
    }
    for (const Node& n : r.nodes) node(n);
    copy->yields = mapped(r.yields);
    to_.open.pop_back();
    return copy;
  }

  const FunctionBody& from_;
  FunctionBody& to_;
  std::map<ValueId, ValueId> ids_;
};

}  // namespace

std::vector<Part> parts_of(const Function& main, int depth) { return Walker(depth).run(main); }

Values emit(const Part& part, Function& into, const Values& inputs) {
  Emitter emitter(part, into);
  for (std::size_t i = 0; i < inputs.size(); ++i) emitter.bind(part.inputs[i], inputs[i].id());
  for (const Node* node : part.nodes) emitter.node(*node);
  Values outputs;
  for (ValueId id : part.outputs) outputs.emplace_back(&into, emitter.at(id));
  return outputs;
}

}  // namespace adder::hlo
