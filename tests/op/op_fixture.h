#pragma once

// Runs small programs on every plugin of ADDER_TEST_PLUGINS (colon-separated paths) and compares with
// expected values. Inputs are arguments, not constants, so that the compiled op runs rather than the constant
// folder.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hlo/arith.h"
#include "pjrt/client.h"

namespace adder::op {

/// A host tensor; values are row-major and rounded to the dtype when sent.
struct Tensor {
  Shape shape;
  std::vector<double> values;
};
inline Tensor tensor(DType dtype, Dims dims, std::vector<double> values) {
  return {{dtype, std::move(dims)}, std::move(values)};
}
inline Tensor f32(Dims dims, std::vector<double> values) {
  return tensor(DType::f32, std::move(dims), std::move(values));
}
inline Tensor s32(Dims dims, std::vector<double> values) {
  return tensor(DType::s32, std::move(dims), std::move(values));
}
inline Tensor i1(Dims dims, std::vector<double> values) {
  return tensor(DType::i1, std::move(dims), std::move(values));
}

using Build = std::function<hlo::Values(const hlo::Values& arguments)>;

class OpTest : public ::testing::Test {
 protected:
  void SetUp() override;

  /// Builds main with one argument for each input, runs it everywhere, and compares all results: dtype and
  /// dims exactly, values within `tolerance` relative to max(1, |expected|). NaN equals NaN.
  void expect(const std::vector<Tensor>& inputs, const Build& build, const std::vector<Tensor>& expected,
              double tolerance = 0);
  /// The same for one result.
  void expect_one(const std::vector<Tensor>& inputs,
                  const std::function<hlo::Value(const hlo::Values&)>& build, const Tensor& expected,
                  double tolerance = 0);
  /// Runs a finished program on one client.
  static Result<std::vector<Tensor>> run(const pjrt::Client& client, const std::string& program,
                                         const std::vector<Tensor>& inputs);
  /// One client a plugin, made once for the process.
  static const std::vector<std::pair<std::string, pjrt::Client>>& clients();
};

}  // namespace adder::op
