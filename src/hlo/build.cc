#include "hlo/build.h"

#include <algorithm>

namespace adder::hlo {
namespace {

Function& function_of(OpKind kind, const Values& operands, const Loc& loc) {
  if (operands.empty()) throw BuildError(std::string(info(kind).name), "needs at least one operand", loc);
  return operands.front().function();
}

/// Keeps a region open for as long as its body is being built, also when that throws.
class OpenRegion {
 public:
  OpenRegion(FunctionBody& body, Region& region) : body_(body) { body_.open.push_back(&region); }
  ~OpenRegion() { body_.open.pop_back(); }
  OpenRegion(const OpenRegion&) = delete;
  OpenRegion& operator=(const OpenRegion&) = delete;

 private:
  FunctionBody& body_;
};

}  // namespace

OpBuilder::OpBuilder(OpKind kind, Function& function, Values operands, Loc loc)
    : kind_(kind), function_(&function), operands_(std::move(operands)), loc_(loc) {
  if (function.finished()) error("function @" + function.name() + " is finished; no op can be added");
  for (const Value& v : operands_) {
    check_usable(v);
    shapes_.push_back(v.shape());
  }
}

OpBuilder::OpBuilder(OpKind kind, Values operands, Loc loc)
    : OpBuilder(kind, function_of(kind, operands, loc), operands, loc) {}

void OpBuilder::error(std::string message) const {
  throw BuildError(std::string(info(kind_).name), std::move(message), loc_);
}

void OpBuilder::check_usable(const Value& value) const {
  const std::string what = "value " + to_string(value.shape());
  if (&value.function() != function_)
    error(what + " of function @" + value.function().name() + " is used in function @" + function_->name());
  const FunctionBody& body = function_->body();
  const std::uint32_t home = body.values[value.id()].region;
  for (auto region = body.open.rbegin(); region != body.open.rend(); ++region) {
    if ((*region)->id == home) return;
    if (!(*region)->may_capture)
      error(what +
            " is captured by the body of a reduce, scatter or sort, which may use only its own arguments");
  }
  error(what + " is used outside of the region that defines it");
}

Shapes OpBuilder::region(bool may_capture, const Shapes& arguments, const RegionFn& build) {
  FunctionBody& body = function_->body();
  auto region = std::make_unique<Region>();
  region->id = body.region_count++;
  region->may_capture = may_capture;
  const OpenRegion open(body, *region);
  Values values;
  for (const Shape& shape : arguments) {
    region->arguments.push_back(body.define(shape));
    values.emplace_back(function_, region->arguments.back());
  }
  Shapes yields;
  for (const Value& v : build(values)) {
    check_usable(v);
    region->yields.push_back(v.id());
    yields.push_back(v.shape());
  }
  regions_.push_back(std::move(region));
  return yields;
}

Values OpBuilder::many(Attributes attributes, Shapes results) {
  FunctionBody& body = function_->body();
  Node node{kind_, {}, {}, std::move(attributes), std::move(regions_), loc_, body.scope};
  for (const Value& v : operands_) node.operands.push_back(v.id());
  Values values;
  for (Shape& shape : results) {
    node.results.push_back(body.define(std::move(shape)));
    values.emplace_back(function_, node.results.back());
  }
  body.current().nodes.push_back(std::move(node));
  return values;
}

Value OpBuilder::one(Attributes attributes, Shape result) {
  return many(std::move(attributes), {std::move(result)}).front();
}

}  // namespace adder::hlo
