// Loops, conditionals, calls and the barrier.

#include <fmt/format.h>

#include <limits>

#include "hlo/build.h"

namespace adder::hlo {
namespace {

void check_same(const OpBuilder& op, const char* what, const Shapes& actual, const Shapes& expected) {
  if (actual.size() != expected.size())
    op.error(fmt::format("{} gives {} values, expected {}", what, actual.size(), expected.size()));
  for (std::size_t i = 0; i < actual.size(); ++i)
    if (actual[i] != expected[i])
      op.error(fmt::format("value {} of {} is {}, expected {}", i, what, to_string(actual[i]),
                           to_string(expected[i])));
}

Values loop(Function& f, const Values& init, WhileAttributes attributes,
            const std::function<Value(const Values&)>& cond, const std::function<Values(const Values&)>& body,
            Loc loc) {
  OpBuilder op(OpKind::while_, f, init, loc);
  const Shapes test = op.region(true, op.shapes(), [&](const Values& v) -> Values { return {cond(v)}; });
  check_same(op, "the condition", test, {Shape{DType::i1, {}}});                // (C1)
  check_same(op, "the body", op.region(true, op.shapes(), body), op.shapes());  // (C2)
  return op.many(attributes, op.shapes());                                      // (C3)
}

}  // namespace

Values while_(const Values& init, const std::function<Value(const Values&)>& cond,
              const std::function<Values(const Values&)>& body, Loc loc) {
  if (init.empty()) throw BuildError("while", "needs at least one value to carry", loc);
  return loop(init.front().function(), init, {}, cond, body, loc);
}

Values fori(Function& f, std::int64_t n, const Values& init,
            const std::function<Values(Value i, const Values&)>& body, Loc loc) {
  if (n < 0 || n > std::numeric_limits<std::int32_t>::max())
    throw BuildError("fori", fmt::format("a trip count of {} does not fit the s32 counter", n), loc);
  // XLA recovers a trip count from a counter that starts at a constant, is compared with one by LT, and grows
  // by one.
  Values carried{constant_int(f, DType::s32, 0, {}, loc)};
  carried.insert(carried.end(), init.begin(), init.end());
  Values results = loop(
      f, carried, {n},
      [&](const Values& v) {
        return compare(v[0], constant_int(f, DType::s32, n, {}, loc), Comparison::LT, loc);
      },
      [&](const Values& v) {
        Values next = body(v[0], Values(v.begin() + 1, v.end()));
        next.insert(next.begin(), add(v[0], constant_int(f, DType::s32, 1, {}, loc), loc));
        return next;
      },
      loc);
  results.erase(results.begin());
  return results;
}

Values if_(Value pred, const std::function<Values()>& on_true, const std::function<Values()>& on_false,
           Loc loc) {
  OpBuilder op(OpKind::if_, {pred}, loc);
  check_same(op, "the predicate", op.shapes(), {Shape{DType::i1, {}}});
  const Shapes results = op.region(true, {}, [&](const Values&) { return on_true(); });
  check_same(op, "the false branch", op.region(true, {}, [&](const Values&) { return on_false(); }),
             results);  // (C2)
  return op.many(NoAttributes{}, results);
}

Values call(const Function& callee, const Values& arguments, Loc loc) {
  OpBuilder op(OpKind::call, arguments, loc);
  const std::string name = "@" + callee.name();
  if (!callee.finished()) op.error("function " + name + " is not finished");
  if (callee.body().module != arguments.front().function().body().module)
    op.error("function " + name + " belongs to another module");
  if (callee.body().is_public) op.error("the entry point " + name + " cannot be called");
  const Signature& signature = callee.signature();
  if (arguments.size() != signature.arguments.size())
    op.error(
        fmt::format("{} arguments for {}, expected {}", arguments.size(), name, signature.arguments.size()));
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (op.shapes()[i] != signature.arguments[i].shape)
      op.error(fmt::format("argument {} '{}' of {} is {}, expected {}", i, signature.arguments[i].name, name,
                           to_string(op.shapes()[i]), to_string(signature.arguments[i].shape)));
  Shapes results;
  for (const auto& result : signature.results) results.push_back(result.shape);
  return op.many(CallAttributes{&callee}, std::move(results));
}

Values optimization_barrier(const Values& operands, Loc loc) {
  OpBuilder op(OpKind::optimization_barrier, operands, loc);
  return op.many(NoAttributes{}, op.shapes());
}

}  // namespace adder::hlo
