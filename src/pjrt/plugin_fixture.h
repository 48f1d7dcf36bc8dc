#pragma once

// For this room's tests: the plugins to run on, and a client of each.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/testing.h"
#include "pjrt/client.h"

namespace adder::pjrt {

/// Runs each test body once per plugin; skips where there is none.
class OnPlugins : public ::testing::Test {
 protected:
  void SetUp() override {
    if (adder::testing::plugin_paths().empty()) GTEST_SKIP() << "no plugin: set ADDER_TEST_PLUGINS=path:path";
  }
  template <class Body>
  void on_each(Body&& body, std::vector<NamedValue> options = {}) {
    for (const std::string& path : adder::testing::plugin_paths()) {
      SCOPED_TRACE(path);
      auto plugin = Plugin::open(path);
      ASSERT_TRUE(plugin) << plugin.error().to_string();
      auto client = Client::create(*plugin, options);
      ASSERT_TRUE(client) << client.error().to_string();
      body(*client);
    }
  }
};

/// The value, or a test failure with the error's text.
#define ADDER_ASSERT_OK(declaration, ...)                                                      \
  auto ADDER_CONCAT(ok_, __LINE__) = (__VA_ARGS__);                                            \
  ASSERT_TRUE(ADDER_CONCAT(ok_, __LINE__)) << ADDER_CONCAT(ok_, __LINE__).error().to_string(); \
  declaration = *std::move(ADDER_CONCAT(ok_, __LINE__))

inline constexpr const char* kAdd = R"(module @add_two {
  func.func public @main(%arg0: tensor<4xf32>, %arg1: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.add %arg0, %arg1 : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
})";

inline constexpr const char* kDonate = R"(module @donate {
  func.func public @main(%arg0: tensor<1024xf32> {tf.aliasing_output = 0 : i32}, %arg1: tensor<1024xf32>)
      -> (tensor<1024xf32>, tensor<1024xf32>) {
    %0 = stablehlo.add %arg0, %arg1 : tensor<1024xf32>
    %1 = stablehlo.multiply %arg0, %arg1 : tensor<1024xf32>
    return %0, %1 : tensor<1024xf32>, tensor<1024xf32>
  }
})";

inline constexpr const char* kWhile = R"(module @count {
  func.func public @main(%arg0: tensor<i32>, %arg1: tensor<f32>) -> (tensor<i32>, tensor<f32>) {
    %0:2 = stablehlo.while(%i = %arg0, %x = %arg1) : tensor<i32>, tensor<f32>
    cond {
      %n = stablehlo.constant dense<10> : tensor<i32>
      %p = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %p : tensor<i1>
    } do {
      %one = stablehlo.constant dense<1> : tensor<i32>
      %j = stablehlo.add %i, %one : tensor<i32>
      %y = stablehlo.add %x, %x : tensor<f32>
      stablehlo.return %j, %y : tensor<i32>, tensor<f32>
    }
    return %0#0, %0#1 : tensor<i32>, tensor<f32>
  }
})";

}  // namespace adder::pjrt
