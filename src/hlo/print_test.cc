#include "hlo/print.h"

#include <gtest/gtest.h>

#include <limits>

#include "hlo/arith.h"

namespace adder::hlo {
namespace {

/// The lines of main's body, between the signature and the return, without indentation of the first level.
std::string body_of(const std::string& text) {
  const std::string open = ") {\n", close = "    \"func.return\"";
  const std::size_t begin = text.find(open) + open.size();
  return text.substr(begin, text.find(close) - begin);
}

/// Text of the ops that `build` appends to a main without arguments other than x f32[2,3] and n s32[2,3].
template <class Build>
std::string text_of(Build&& build) {
  Module m("m");
  Function& f = m.main();
  const Value x = f.argument({DType::f32, {2, 3}}), n = f.argument({DType::s32, {2, 3}});
  build(f, x, n);
  f.finish({{"", x}});
  return body_of(m.text());
}

TEST(Print, WholeModule) {
  Module m("add two");
  Function& f = m.main();
  const Value x = f.argument({DType::f32, {2, 3}}, {"x", "sum"});
  const Value y = f.argument({DType::f32, {2, 3}}, {"layers.0 \"w\"\n", ""});
  f.finish({{"sum", add(x, y)}, {"", x}});
  EXPECT_EQ(m.text(), R"(module @add_two {
  func.func public @main(
      %arg0: tensor<2x3xf32> {tf.aliasing_output = 0 : i32} loc("x"),
      %arg1: tensor<2x3xf32> loc("layers.0 \22w\22\0A")) -> (
      tensor<2x3xf32> {jax.result_info = "sum"},
      tensor<2x3xf32>) {
    %0 = "stablehlo.add"(%arg0, %arg1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
    "func.return"(%0, %arg0) : (tensor<2x3xf32>, tensor<2x3xf32>) -> ()
  }
}
)");
}

TEST(Print, Elementwise) {
  EXPECT_EQ(
      text_of([](Function&, Value x, Value n) {
        const Value p = compare(n, n, Comparison::GE);
        select(p, not_(n), convert(x, DType::s32));
        compare(x, x, Comparison::NE);
        compare(p, p, Comparison::EQ);
      }),
      R"(    %0 = "stablehlo.compare"(%arg1, %arg1) {compare_type = #stablehlo<comparison_type SIGNED>, comparison_direction = #stablehlo<comparison_direction GE>} : (tensor<2x3xi32>, tensor<2x3xi32>) -> tensor<2x3xi1>
    %1 = "stablehlo.convert"(%arg0) : (tensor<2x3xf32>) -> tensor<2x3xi32>
    %2 = "stablehlo.not"(%arg1) : (tensor<2x3xi32>) -> tensor<2x3xi32>
    %3 = "stablehlo.select"(%0, %2, %1) : (tensor<2x3xi1>, tensor<2x3xi32>, tensor<2x3xi32>) -> tensor<2x3xi32>
    %4 = "stablehlo.compare"(%arg0, %arg0) {compare_type = #stablehlo<comparison_type FLOAT>, comparison_direction = #stablehlo<comparison_direction NE>} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>
    %5 = "stablehlo.compare"(%0, %0) {compare_type = #stablehlo<comparison_type UNSIGNED>, comparison_direction = #stablehlo<comparison_direction EQ>} : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
)");
}

TEST(Print, Constants) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(
      text_of([&](Function& f, Value, Value) {
        constant(f, DType::f32, 0.1);
        constant(f, DType::f32, -inf, {2});
        constant(f, DType::bf16, 1.0 / 3);
        constant(f, DType::f16, inf);
        constant(f, DType::f64, 1e300);
        constant(f, DType::f32, -0.0);
        constant(f, DType::i1, 1);
        constant(f, DType::s8, -3, {4});
        constant_int(f, DType::u64, -1);
        constant(f, std::vector<float>{1, 2.5, static_cast<float>(inf), 4}, {2, 2});
        constant(f, std::vector<std::int32_t>{}, {0});
        constant(f, std::vector<std::int32_t>(33, 258), {33});
      }),
      R"(    %0 = stablehlo.constant dense<1.0e-01> : tensor<f32>
    %1 = stablehlo.constant dense<0xFF800000> : tensor<2xf32>
    %2 = stablehlo.constant dense<3.3398438e-01> : tensor<bf16>
    %3 = stablehlo.constant dense<0x7C00> : tensor<f16>
    %4 = stablehlo.constant dense<1.0e+300> : tensor<f64>
    %5 = stablehlo.constant dense<-0.0e+00> : tensor<f32>
    %6 = stablehlo.constant dense<true> : tensor<i1>
    %7 = stablehlo.constant dense<-3> : tensor<4xi8>
    %8 = stablehlo.constant dense<18446744073709551615> : tensor<ui64>
    %9 = stablehlo.constant dense<[[1.0e+00, 2.5e+00], [0x7F800000, 4.0e+00]]> : tensor<2x2xf32>
    %10 = stablehlo.constant dense<> : tensor<0xi32>
    %11 = stablehlo.constant dense<"0x)" +
          [] {
            std::string hex;
            for (int i = 0; i < 33; ++i) hex += "02010000";
            return hex;
          }() +
          "\"> : tensor<33xi32>\n");
}

TEST(Print, Shapes) {
  EXPECT_EQ(text_of([](Function& f, Value x, Value) {
              const Value i = constant_int(f, DType::s32, 1);
              transpose(x, {1, 0});
              broadcast_in_dim(i, {4}, {});
              slice(x, {0, 1}, {2, 3});
              dynamic_slice(x, {i, i}, {1, 1});
              pad(x, constant(f, DType::f32, 0), {0, 1}, {2, 3});
              concatenate({x, x}, 0);
            }),
            R"(    %0 = stablehlo.constant dense<1> : tensor<i32>
    %1 = "stablehlo.transpose"(%arg0) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
    %2 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<4xi32>
    %3 = "stablehlo.slice"(%arg0) {start_indices = array<i64: 0, 1>, limit_indices = array<i64: 2, 3>, strides = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x2xf32>
    %4 = "stablehlo.dynamic_slice"(%arg0, %0, %0) {slice_sizes = array<i64: 1, 1>} : (tensor<2x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x1xf32>
    %5 = stablehlo.constant dense<0.0e+00> : tensor<f32>
    %6 = "stablehlo.pad"(%arg0, %5) {edge_padding_low = array<i64: 0, 1>, edge_padding_high = array<i64: 2, 3>, interior_padding = array<i64: 0, 0>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<4x7xf32>
    %7 = "stablehlo.concatenate"(%arg0, %arg0) {dimension = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
)");
}

TEST(Print, GatherAndScatter) {
  EXPECT_EQ(
      text_of([](Function&, Value x, Value n) {
        const Value ids = reshape(slice(n, {0, 0}, {1, 3}), {3});
        gather(x, ids, {{1}, {0}, {}, {}, {0}, 1}, {1, 3});
        scatter(x, ids, broadcast_to(x, {2, 3}), {{0}, {1}, {}, {}, {1}, 1}, Combine::replace);
      }),
      R"(    %0 = "stablehlo.slice"(%arg1) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 1, 3>, strides = array<i64: 1, 1>} : (tensor<2x3xi32>) -> tensor<1x3xi32>
    %1 = "stablehlo.reshape"(%0) : (tensor<1x3xi32>) -> tensor<3xi32>
    %2 = "stablehlo.gather"(%arg0, %1) {dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>, indices_are_sorted = false} : (tensor<2x3xf32>, tensor<3xi32>) -> tensor<3x3xf32>
    %3 = "stablehlo.scatter"(%arg0, %1, %arg0) ({
    ^bb0(%4: tensor<f32>, %5: tensor<f32>):
      "stablehlo.return"(%5) : (tensor<f32>) -> ()
    }) {scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = [], scatter_dims_to_operand_dims = [1], index_vector_dim = 1>, indices_are_sorted = false, unique_indices = false} : (tensor<2x3xf32>, tensor<3xi32>, tensor<2x3xf32>) -> tensor<2x3xf32>
)");
}

TEST(Print, LinearAlgebra) {
  EXPECT_EQ(
      text_of([](Function& f, Value x, Value) {
        dot_general(x, x, {{}, {}, {1}, {1}});
        reduce(x, Reduction::maximum, {1});
        sort({x}, 1, true, [](const Values& v) { return lt(v[0], v[1]); });
        top_k(x, 2);
        rng_bit_generator(constant_int(f, DType::u64, 1, {2}), {DType::u32, {4}}, RngAlgorithm::PHILOX);
      }),
      R"(    %0 = "stablehlo.dot_general"(%arg0, %arg0) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [1]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
    %1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %2 = "stablehlo.reduce"(%arg0, %1) ({
    ^bb0(%3: tensor<f32>, %4: tensor<f32>):
      %5 = "stablehlo.maximum"(%3, %4) : (tensor<f32>, tensor<f32>) -> tensor<f32>
      "stablehlo.return"(%5) : (tensor<f32>) -> ()
    }) {dimensions = array<i64: 1>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
    %6 = "stablehlo.sort"(%arg0) ({
    ^bb0(%7: tensor<f32>, %8: tensor<f32>):
      %9 = "stablehlo.compare"(%7, %8) {compare_type = #stablehlo<comparison_type FLOAT>, comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      "stablehlo.return"(%9) : (tensor<i1>) -> ()
    }) {dimension = 1 : i64, is_stable = true} : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %10:2 = "chlo.top_k"(%arg0) {k = 2 : i64} : (tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi32>)
    %11 = stablehlo.constant dense<1> : tensor<2xui64>
    %12:2 = "stablehlo.rng_bit_generator"(%11) {rng_algorithm = #stablehlo<rng_algorithm PHILOX>} : (tensor<2xui64>) -> (tensor<2xui64>, tensor<4xui32>)
)");
}

TEST(Print, ControlAndCapture) {
  Module m("m");
  Function& layer = m.add_function("layer");
  layer.finish({{"", negate(layer.argument({DType::f32, {}}))}});
  Function& f = m.main();
  const Value x = f.argument({DType::f32, {}}), step = f.argument({DType::f32, {}});
  const Values y = fori(f, 3, {x}, [&](Value, const Values& v) { return call(layer, {v[0] + step}); });
  f.finish({{"", y[0]}});
  EXPECT_EQ(m.text(), R"(module @m {
  func.func public @main(
      %arg0: tensor<f32>,
      %arg1: tensor<f32>) -> (
      tensor<f32>) {
    %0 = stablehlo.constant dense<0> : tensor<i32>
    %1:2 = "stablehlo.while"(%0, %arg0) ({
    ^bb0(%2: tensor<i32>, %3: tensor<f32>):
      %4 = stablehlo.constant dense<3> : tensor<i32>
      %5 = "stablehlo.compare"(%2, %4) {compare_type = #stablehlo<comparison_type SIGNED>, comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
      "stablehlo.return"(%5) : (tensor<i1>) -> ()
    }, {
    ^bb0(%6: tensor<i32>, %7: tensor<f32>):
      %8 = "stablehlo.add"(%7, %arg1) : (tensor<f32>, tensor<f32>) -> tensor<f32>
      %9 = "func.call"(%8) {callee = @layer} : (tensor<f32>) -> tensor<f32>
      %10 = stablehlo.constant dense<1> : tensor<i32>
      %11 = "stablehlo.add"(%6, %10) : (tensor<i32>, tensor<i32>) -> tensor<i32>
      "stablehlo.return"(%11, %9) : (tensor<i32>, tensor<f32>) -> ()
    }) : (tensor<i32>, tensor<f32>) -> (tensor<i32>, tensor<f32>)
    "func.return"(%1#1) : (tensor<f32>) -> ()
  }
  func.func private @layer(
      %arg0: tensor<f32>) -> (
      tensor<f32>) {
    %0 = "stablehlo.negate"(%arg0) : (tensor<f32>) -> tensor<f32>
    "func.return"(%0) : (tensor<f32>) -> ()
  }
}
)");
}

TEST(Print, DumpShowsUnfinishedGraphs) {
  Module m("m");
  Function& f = m.main();
  tanh(f.argument({DType::f32, {2}}));
  EXPECT_EQ(m.dump(), R"(module @m {
  func.func public @main(
      %arg0: tensor<2xf32>) -> () {
    %0 = "stablehlo.tanh"(%arg0) : (tensor<2xf32>) -> tensor<2xf32>
    // unfinished
  }
}
)");
}

TEST(Print, SameGraphSameText) {
  auto build = [] {
    Module m("m");
    Function& f = m.main();
    const Value x = f.argument({DType::f32, {4, 4}}, {"x", ""});
    f.finish({{"y", softplus(sum(x * 3 + 1, 0))}, {"i", argmax(x)}});
    return m.text();
  };
  EXPECT_EQ(build(), build());
}

}  // namespace
}  // namespace adder::hlo
