// What graph-building code may and may not do.

#include <gmock/gmock.h>

#include "hlo/arith.h"

namespace adder::hlo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// The message of the BuildError that `f` throws; empty when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const BuildError& e) {
    return e.what();
  }
  return "";
}
/// The same without the "graph_test.cc:12: " in front.
template <class F>
std::string reason_of(F&& f) {
  const std::string message = error_of(std::forward<F>(f));
  EXPECT_THAT(message, StartsWith("graph_test.cc:"));
  return message.substr(std::min(message.size(), message.find(": ") + 2));
}

class GraphTest : public testing::Test {
 protected:
  Module module_{"m"};
  Function& main_ = module_.main();
  Value x_ = main_.argument({DType::f32, {2, 3}}, {"x", ""});
  Value y_ = main_.argument({DType::f32, {4, 5}}, {"y", ""});
  Value flag_ = main_.argument({DType::i1, {}}, {"flag", ""});
};

TEST_F(GraphTest, ErrorsNameTheCallersLine) {
  const int line = __LINE__;
  const std::string of_op = error_of([&] { add(x_, y_); });
  const std::string of_operator = error_of([&] { x_ + y_; });
  const std::string of_number = error_of([&] { lt(2, y_) + 1.5; });
  const std::string of_composed = error_of([&] { mean(x_, 2); });
  auto at_line = [&](int offset) { return "graph_test.cc:" + std::to_string(line + offset) + ": "; };
  EXPECT_EQ(of_op, at_line(1) + "add: operands differ: f32[2,3] and f32[4,5]");
  EXPECT_EQ(of_operator, at_line(2) + "add: cannot broadcast f32[2,3] with f32[4,5]");
  EXPECT_EQ(of_number, at_line(3) + "constant: 1.5 is not a value of i1");
  EXPECT_EQ(of_composed, at_line(4) + "sum: axis 2 is not a dimension of f32[2,3]");
}

TEST_F(GraphTest, ErrorsNameOpAndShapes) {
  EXPECT_EQ(reason_of([&] {
              dot_general(x_, y_, {{}, {}, {1}, {0}});
            }),
            "dot_general: contracting sizes differ: f32[2,3] dim 1 and f32[4,5] dim 0");
  EXPECT_EQ(reason_of([&] { x_* convert(x_, DType::bf16); }),
            "multiply: operands differ in dtype: f32[2,3] and bf16[2,3]");
  EXPECT_EQ(reason_of([&] { where(flag_, 1, 2); }),
            "select: needs at least one tensor beside the predicate, got two numbers");
  EXPECT_EQ(reason_of([&] { where(flag_, x_, y_); }), "select: cannot broadcast f32[2,3] with f32[4,5]");
  EXPECT_EQ(reason_of([&] { x_.dim(-3); }), "dim: -3 is not a dimension of f32[2,3]");
  EXPECT_EQ(reason_of([&] { split(x_, {1, 1}); }), "split: sizes [1,1] do not add up to dim 1 of f32[2,3]");
  EXPECT_EQ(reason_of([&] { view(x_, {-1, 4}); }), "view: f32[2,3] does not divide into [-1,4]");
  EXPECT_EQ(reason_of([&] { view(x_, {-1, -1}); }), "view: [-1,-1] of f32[2,3] has more than one -1");
  EXPECT_EQ(reason_of([&] { broadcast_to(x_, {3}); }), "broadcast_to: cannot broadcast f32[2,3] to [3]");
  EXPECT_EQ(reason_of([&] { expand_dims(x_, 4); }), "expand_dims: axis 4 is not a dimension of f32[2,3]");
  EXPECT_EQ(reason_of([&] { concatenate({}, 0); }), "concatenate: needs at least one operand");
  EXPECT_EQ(reason_of([&] {
              constant(main_, std::vector<float>{1, 2}, {3});
            }),
            "constant: 8 bytes of values for f32[3], which takes 12");
  EXPECT_EQ(reason_of([&] { take_rows(x_, x_); }),
            "take_rows: table f32[2,3] and ids f32[2,3], expected [V,D] and integers");
}

TEST_F(GraphTest, AFailedOpLeavesTheGraphAlone) {
  const std::string before = module_.dump();
  EXPECT_NE(error_of([&] { add(x_, y_); }), "");
  EXPECT_NE(error_of([&] {
              while_(
                  {x_}, [&](const Values&) { return flag_; },
                  [&](const Values& v) -> Values { return {v[0] + y_}; });
            }),
            "");
  EXPECT_EQ(module_.dump(), before);
  main_.finish({{"x", tanh(x_)}});  // the loop's region is closed again
  EXPECT_THAT(module_.text(), HasSubstr("stablehlo.tanh"));
}

TEST_F(GraphTest, ValuesStayInTheirFunctionAndRegion) {
  Function& other = module_.add_function("other");
  const Value z = other.argument({DType::f32, {2, 3}});
  EXPECT_THAT(error_of([&] { add(x_, z); }),
              AllOf(StartsWith("graph_test.cc:"),
                    HasSubstr("f32[2,3] of function @other is used in function @main")));
  std::optional<Value> escaped;
  fori(main_, 2, {x_}, [&](Value, const Values& v) -> Values { return {*(escaped = v[0] * 2)}; });
  EXPECT_THAT(error_of([&] { tanh(*escaped); }),
              HasSubstr("tanh: value f32[2,3] is used outside of the region"));
  EXPECT_THAT(
      error_of([&] { fori(main_, 2, {x_}, [&](Value, const Values&) -> Values { return {*escaped}; }); }),
      HasSubstr("is used outside of the region"));
  EXPECT_THAT(error_of([&] {
                main_.finish({{"e", *escaped}});
              }),
              HasSubstr("inside a region that has ended"));
  EXPECT_THAT(error_of([&] { main_.finish({{"z", z}}); }), HasSubstr("belongs to function @other"));
}

TEST_F(GraphTest, ReduceBodiesCaptureNothing) {
  const Value zero = constant(main_, DType::f32, 0), two = constant(main_, DType::f32, 2);
  EXPECT_THAT(error_of([&] {
                reduce({x_}, {zero}, {1},
                       [&](const Values& l, const Values&) -> Values { return {l[0] * two}; });
              }),
              HasSubstr("multiply: value f32[] is captured by the body of a reduce, scatter or sort"));
  EXPECT_THAT(error_of([&] {
                reduce({x_}, {zero}, {1}, [&](const Values&, const Values&) -> Values { return {x_}; });
              }),
              HasSubstr("captured"));
  EXPECT_THAT(error_of([&] {
                reduce({x_}, {zero}, {1},
                       [&](const Values& l, const Values&) -> Values { return {lt(l[0], l[0])}; });
              }),
              HasSubstr("reduce: value 0 of the body is i1[], expected f32[]"));
}

TEST_F(GraphTest, LoopsKeepTheirShapes) {
  auto yes = [&](const Values&) { return flag_; };
  EXPECT_THAT(error_of([&] { while_({x_}, yes, [&](const Values&) -> Values { return {y_}; }); }),
              HasSubstr("while: value 0 of the body is f32[4,5], expected f32[2,3]"));
  EXPECT_THAT(error_of([&] { while_({x_}, yes, [&](const Values&) -> Values { return {}; }); }),
              HasSubstr("while: the body gives 0 values, expected 1"));
  EXPECT_THAT(error_of([&] {
                while_(
                    {x_}, [&](const Values& v) { return v[0]; }, [&](const Values& v) { return v; });
              }),
              HasSubstr("while: value 0 of the condition is f32[2,3], expected i1[]"));
  EXPECT_THAT(error_of([&] {
                if_(
                    flag_, [&]() -> Values { return {x_}; }, [&]() -> Values { return {y_}; });
              }),
              HasSubstr("if: value 0 of the false branch is f32[4,5], expected f32[2,3]"));
  EXPECT_THAT(error_of([&] {
                if_(
                    x_, [&]() -> Values { return {x_}; }, [&]() -> Values { return {x_}; });
              }),
              HasSubstr("if: value 0 of the predicate is f32[2,3], expected i1[]"));
  EXPECT_THAT(error_of([&] { fori(main_, -1, {x_}, [](Value, const Values& v) { return v; }); }),
              HasSubstr("a trip count of -1"));
}

TEST_F(GraphTest, FinishedFunctionsAreClosed) {
  main_.finish({{"y", y_}});
  EXPECT_TRUE(main_.finished());
  EXPECT_THAT(error_of([&] { tanh(x_); }), HasSubstr("tanh: function @main is finished"));
  EXPECT_THAT(error_of([&] { main_.argument({DType::f32, {}}); }), HasSubstr("is finished"));
  EXPECT_THAT(error_of([&] { main_.finish({}); }), HasSubstr("is finished already"));
}

TEST_F(GraphTest, SignatureAndDonation) {
  Module m("m");
  Function& f = m.main();
  const Value a = f.argument({DType::f32, {2}}, {"a", "next"});
  const Value b = f.argument({DType::f32, {3}}, {"b", ""});
  f.finish({{"other", b}, {"next", a + a}});
  EXPECT_EQ(f.signature().argument_index("b"), 1);
  EXPECT_EQ(f.signature().argument_index("c"), -1);
  EXPECT_EQ(f.signature().result_index("next"), 1);
  EXPECT_EQ(f.signature().results[0].shape, (Shape{DType::f32, {3}}));
  EXPECT_THAT(m.text(), HasSubstr("%arg0: tensor<2xf32> {tf.aliasing_output = 1 : i32}"));
}

TEST_F(GraphTest, DonationMustFit) {
  const Value d = main_.argument({DType::f32, {2, 3}}, {"d", "next"});
  EXPECT_THAT(error_of([&] {
                main_.finish({{"out", d}});
              }),
              HasSubstr("argument 'd' f32[2,3] is donated to 'next', which is no result"));
  EXPECT_THAT(error_of([&] {
                main_.finish({{"next", y_}});
              }),
              HasSubstr("argument 'd' f32[2,3] is donated to 'next', which is f32[4,5]"));
  main_.argument({DType::f32, {2, 3}}, {"e", "next"});
  EXPECT_THAT(error_of([&] { main_.finish({{"next", d}}); }), HasSubstr("as another argument is"));
  EXPECT_THAT(error_of([&] {
                main_.argument({DType::f32, {}}, {"x", ""});
              }),
              HasSubstr("of that name already"));
  EXPECT_THAT(error_of([&] { main_.argument({DType::f32, {-1}}, {"n", ""}); }), HasSubstr("negative size"));
  Function& layer = module_.add_function("layer");
  EXPECT_THAT(error_of([&] { layer.argument({DType::f32, {}}, {"a", "b"}); }), HasSubstr("only main's"));
}

TEST_F(GraphTest, CallsMatchTheirSignature) {
  Function& layer = module_.add_function("layer");
  const Value a = layer.argument({DType::f32, {2, 3}}, {"a", ""});
  EXPECT_THAT(error_of([&] { call(layer, {x_}); }), HasSubstr("call: function @layer is not finished"));
  layer.finish({{"out", tanh(a)}});
  EXPECT_EQ(call(layer, {x_})[0].shape(), x_.shape());
  EXPECT_THAT(error_of([&] { call(layer, {y_}); }),
              HasSubstr("argument 0 'a' of @layer is f32[4,5], expected f32[2,3]"));
  EXPECT_THAT(error_of([&] { call(layer, {x_, x_}); }), HasSubstr("2 arguments for @layer, expected 1"));
  Module elsewhere("other");
  const Value z = elsewhere.main().argument({DType::f32, {2, 3}});
  EXPECT_THAT(error_of([&] { call(layer, {z}); }), HasSubstr("@layer belongs to another module"));
}

TEST_F(GraphTest, ModulesVerifyBeforeTheyPrint) {
  EXPECT_THAT(error_of([&] { module_.text(); }), HasSubstr("function @main is not finished"));
  main_.finish({{"x", x_}});
  Function& first = module_.add_function("layer 0");
  Function& second = module_.add_function("layer 0");
  EXPECT_EQ(first.name(), "layer_0");
  EXPECT_EQ(second.name(), "layer_0_1");
  EXPECT_EQ(module_.add_function("main").name(), "main_1");
  EXPECT_THAT(error_of([&] { module_.text(); }), HasSubstr("function @layer_0 is not finished"));
  Module empty("empty");
  EXPECT_THAT(error_of([&] { empty.cost(); }), HasSubstr("module @empty has no main"));
}

TEST_F(GraphTest, ArithmeticKeepsTheGraphSmall) {
  const auto ops = [&] {
    const std::string text = module_.dump();
    return std::count(text.begin(), text.end(), '=');
  };
  const auto before = ops();
  EXPECT_EQ(broadcast_to(x_, {2, 3}).id(), x_.id());
  EXPECT_EQ(view(x_, {2, -1}).id(), x_.id());
  EXPECT_EQ(ops(), before);
}

}  // namespace
}  // namespace adder::hlo
