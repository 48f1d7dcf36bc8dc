#include "hlo/parts.h"

#include <gmock/gmock.h>

#include "hlo/arith.h"
#include "hlo/scope.h"

namespace adder::hlo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const Shape kRow{DType::f32, {4}};

std::vector<std::string> names_of(const std::vector<Part>& parts) {
  std::vector<std::string> names;
  for (const Part& p : parts) names.push_back(p.scope);
  return names;
}

TEST(Scope, NestsMovesOnAndEnds) {
  Module m("m");
  Function& f = m.main();
  Value x = f.argument(kRow);
  {
    Scope outer(f, "outer");
    x = negate(x);
    {
      Scope inner(f, "a");
      x = abs(x);
      inner.next("b");
      x = sqrt(x);
    }
    x = negate(x);
  }
  x = abs(x);
  f.finish({{"x", x}});
  std::vector<std::string> scopes;
  for (const Node& node : f.body().root.nodes) scopes.push_back(f.body().scope_names[node.scope]);
  EXPECT_THAT(scopes, ElementsAre("outer", "outer/a", "outer/b", "outer", ""));
}

TEST(Scope, PrintsAsALocationAndOnlyWhereThereIsOne) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument(kRow);
  Value y;
  {
    const Scope scope(f, "norm");
    y = negate(x);
  }
  f.finish({{"", abs(y)}});
  EXPECT_THAT(m.text(), HasSubstr("(%arg0) : (tensor<4xf32>) -> tensor<4xf32> loc(\"norm\")\n"));
  EXPECT_THAT(m.text(), HasSubstr("\"stablehlo.abs\"(%0) : (tensor<4xf32>) -> tensor<4xf32>\n"));
}

TEST(Parts, OneForEachScopeWithWhatItReadsAndGives) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument(kRow, {.name = "x"}), w = f.argument(kRow, {.name = "w"});
  Value a, b;
  {
    Scope scope(f, "first");
    a = negate(x * w);
    scope.next("second");
    b = a + 1.0;
  }
  f.finish({{"y", a * b}});
  const auto parts = parts_of(f);
  ASSERT_THAT(names_of(parts), ElementsAre("first", "second", ""));
  EXPECT_THAT(parts[0].inputs, ElementsAre(x.id(), w.id()));
  EXPECT_THAT(parts[0].outputs, ElementsAre(a.id()));
  EXPECT_THAT(parts[1].inputs, ElementsAre(a.id()));  // the constant 1 is its own
  EXPECT_THAT(parts[1].outputs, ElementsAre(b.id()));
  EXPECT_THAT(parts[2].inputs, ElementsAre(a.id(), b.id()));
  EXPECT_THAT(parts[0].sites.at(0).arguments, ElementsAre(0, 1));
  EXPECT_THAT(parts[1].sites.at(0).arguments, ElementsAre(-1));
}

TEST(Parts, AViewBelongsToWhoeverReadsIt) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument({DType::f32, {8}});
  Value whole, half;
  {
    Scope scope(f, "product");
    whole = negate(x);
    half = slice_axis(whole, 0, 0, 4);
    scope.next("reader");
    half = abs(half);
  }
  f.finish({{"", half}});
  const auto parts = parts_of(f);
  ASSERT_THAT(names_of(parts), ElementsAre("product", "reader"));
  EXPECT_THAT(parts[0].outputs, ElementsAre(whole.id()));
  EXPECT_THAT(parts[1].inputs, ElementsAre(whole.id()));
  EXPECT_EQ(parts[1].nodes.size(), 2u);
}

TEST(Parts, AScopeThatOthersInterruptIsCutWhereItMustBe) {
  Module m("m");
  Function& f = m.main();
  Value x = f.argument(kRow);
  Value side;
  {
    Scope scope(f, "a");
    x = negate(x);
    side = abs(x);
    scope.next("b");
    x = sqrt(x);
    scope.next("a");
    side = negate(side);  // reads nothing of b: joins the first a
    x = x + side;         // does
  }
  f.finish({{"", x}});
  const auto parts = parts_of(f);
  ASSERT_THAT(names_of(parts), ElementsAre("a", "b", "a"));
  EXPECT_EQ(parts[0].nodes.size(), 3u);
  EXPECT_EQ(parts[2].nodes.size(), 1u);
}

/// A layer called twice in each of three trips of a loop, its state updated by the second call's part.
void build_model(Module& m) {
  Function& layer = m.add_function("layer");
  const Value lx = layer.argument(kRow, {.name = "x"}), ls = layer.argument(kRow, {.name = "state"}),
              lw = layer.argument(kRow, {.name = "w"});
  Value y, next;
  {
    Scope scope(layer, "product");
    y = lx * lw;
    scope.next("update");
    next = ls + y;
  }
  layer.finish({{"x", y}, {"state", next}});
  Function& f = m.main();
  const Value x = f.argument(kRow, {.name = "x"}), state = f.argument(kRow, {.name = "state"}),
              w0 = f.argument(kRow, {.name = "w0"}), w1 = f.argument(kRow, {.name = "w1"});
  const Values done = fori(f, 3, {x, state}, [&](Value, const Values& v) {
    const Values first = call(layer, {v[0], v[1], w0});
    const Values second = call(layer, {first[0], first[1], w1});
    const Scope scope(f, "after");
    return Values{negate(second[0]), second[1]};
  });
  f.finish({{"x", done[0]}, {"state", done[1]}});
}

TEST(Parts, FollowCallsAndLoopsToMainsArguments) {
  Module m("m");
  build_model(m);
  const auto parts = parts_of(m.main());
  ASSERT_THAT(names_of(parts), ElementsAre("product", "update", "after", ""));  // last, the loop's counter
  const Part& product = parts[0];
  ASSERT_EQ(product.sites.size(), 2u);
  EXPECT_EQ(product.sites[0].times, 3);
  EXPECT_THAT(product.sites[0].arguments, ElementsAre(0, 2));
  EXPECT_THAT(product.sites[1].arguments, ElementsAre(-1, 3));
  EXPECT_THAT(product.updates, ElementsAre(0));   // the result x is the next x
  EXPECT_THAT(parts[1].updates, ElementsAre(0));  // its first input is the state
}

TEST(Parts, CutAsDeepAsAsked) {
  Module m("m");
  Function& f = m.main();
  Value x = f.argument(kRow);
  {
    const Scope outer(f, "mixer");
    Scope inner(f, "conv");
    x = negate(x);
    inner.next("gates");
    x = abs(x);
  }
  f.finish({{"", x}});
  EXPECT_THAT(names_of(parts_of(f)), ElementsAre("mixer/conv", "mixer/gates"));
  EXPECT_THAT(names_of(parts_of(f, 1)), ElementsAre("mixer"));
}

TEST(Parts, EmitGivesTheSameOpsInAnotherModule) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument(kRow);
  Value y;
  {
    const Scope scope(f, "reduced");
    y = sum(x * 2.0, 0, true);
  }
  f.finish({{"", negate(broadcast_to(y, {4}))}});
  const Part part = parts_of(f).at(0);
  Module other("other");
  Function& g = other.main();
  const Values outputs = emit(part, g, {g.argument(kRow)});
  g.finish({{"y", outputs.at(0)}});
  const std::string text = other.text();
  EXPECT_THAT(text, HasSubstr("\"stablehlo.multiply\""));
  EXPECT_THAT(text, HasSubstr("\"stablehlo.reduce\""));
  EXPECT_THAT(text, HasSubstr("loc(\"reduced\")"));
  EXPECT_THAT(text, Not(HasSubstr("negate")));
}

}  // namespace
}  // namespace adder::hlo
