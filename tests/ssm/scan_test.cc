// The recurrence operator against a plain double-precision loop, on every plugin.

#include "ssm/recurrence.h"

#include <cmath>
#include <ostream>
#include <random>

#include "../op/op_fixture.h"

namespace adder::ssm {
namespace {

using op::Tensor;
using Scanning = op::OpTest;

struct Case {
  std::int64_t b, t, h, p, g, n, chunk;
  double strongest_decay = 1.0;  // log decay is uniform in [-strongest_decay, 0]
  std::int64_t real = -1;        // tokens from here on are padding; -1: none
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "B" << c.b << " T" << c.t << " H" << c.h << " P" << c.p << " G" << c.g << " N" << c.n << " Q"
             << c.chunk;
}

struct Problem {
  std::vector<Tensor> inputs;    // log_decay, input, key, query, state
  std::vector<Tensor> expected;  // y, state
};

/// Inputs drawn from a fixed seed and the result of the recurrence as src/ssm/recurrence.h writes it.
Problem make(const Case& c) {
  std::mt19937 random(20261123);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> unit;
  const auto draw = [&](Dims dims, auto&& f) {
    Tensor t = op::f32(dims, {});
    for (std::int64_t i = 0; i < t.shape.elements(); ++i) t.values.push_back(static_cast<float>(f()));
    return t;
  };
  Tensor a = draw({c.b, c.t, c.h}, [&] { return -c.strongest_decay * unit(random); });
  Tensor u = draw({c.b, c.t, c.h, c.p}, [&] { return normal(random); });
  Tensor k = draw({c.b, c.t, c.g, c.n}, [&] { return normal(random); });
  Tensor q = draw({c.b, c.t, c.g, c.n}, [&] { return normal(random); });
  Tensor s = draw({c.b, c.h, c.p, c.n}, [&] { return normal(random); });
  const auto at = [](auto& t, std::initializer_list<std::int64_t> index) -> double& {
    std::int64_t flat = 0;
    auto dim = t.shape.dims.begin();
    for (std::int64_t i : index) flat = flat * *dim++ + i;
    return t.values[static_cast<std::size_t>(flat)];
  };
  Tensor y = op::f32({c.b, c.t, c.h, c.p}, std::vector<double>(u.values.size()));
  Tensor last = s;
  for (std::int64_t b = 0; b < c.b; ++b)
    for (std::int64_t t = 0; t < c.t; ++t)
      for (std::int64_t h = 0; h < c.h; ++h) {
        const std::int64_t group = h / (c.h / c.g);
        if (c.real >= 0 && t >= c.real) {
          at(a, {b, t, h}) = 0;
          for (std::int64_t p = 0; p < c.p; ++p) at(u, {b, t, h, p}) = 0;
        }
        for (std::int64_t p = 0; p < c.p; ++p) {
          double sum = 0;
          for (std::int64_t n = 0; n < c.n; ++n) {
            double& state = at(last, {b, h, p, n});
            state = std::exp(at(a, {b, t, h})) * state + at(u, {b, t, h, p}) * at(k, {b, t, group, n});
            sum += state * at(q, {b, t, group, n});
          }
          at(y, {b, t, h, p}) = sum;
        }
      }
  return {{a, u, k, q, s}, {y, last}};
}

hlo::Values as_values(const Scan& scan) { return {scan.y, scan.state}; }
Recurrence recurrence(const hlo::Values& v) { return {v[0], v[1], v[2], v[3]}; }

class ScanningCases : public Scanning, public ::testing::WithParamInterface<Case> {};

TEST_P(ScanningCases, ChunkedEqualsTheRecurrence) {
  const Case c = GetParam();
  const Problem problem = make(c);
  for (const bool joined : {false, true}) {
    SCOPED_TRACE(joined);
    const Form form{.chunk = c.chunk, .joined = joined};
    expect(
        problem.inputs,
        [&](const hlo::Values& v) { return as_values(scan_chunked(recurrence(v), v[4], form)); },
        problem.expected, 2e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ScanningCases,
                         ::testing::Values(Case{1, 1, 2, 3, 1, 4, 1}, Case{1, 7, 2, 3, 1, 4, 7},
                                           Case{1, 7, 4, 3, 2, 5, 3}, Case{2, 16, 6, 4, 3, 8, 4},
                                           Case{1, 17, 4, 8, 4, 16, 8}, Case{3, 33, 2, 4, 1, 8, 16},
                                           Case{1, 65, 2, 2, 1, 4, 64}, Case{1, 5, 2, 3, 1, 4, 128},
                                           // decays that underflow within a chunk: masked before exp, no NaN
                                           Case{1, 40, 2, 3, 1, 4, 16, 80.0},
                                           // padding leaves the state alone
                                           Case{2, 24, 2, 3, 2, 4, 8, 1.0, 11}));

TEST_F(Scanning, StepEqualsTheRecurrence) {
  for (const Case& c :
       {Case{1, 1, 2, 3, 1, 4, 1}, Case{3, 1, 6, 4, 3, 8, 1}, Case{2, 1, 4, 2, 4, 16, 1},
        Case{1, 1, 4, 2, 1, 32, 1}, Case{2, 1, 4, 3, 2, 128, 1}, Case{1, 1, 2, 2, 1, 80, 1}}) {
    const Problem problem = make(c);
    for (const std::int64_t lanes : {0, 32})
      expect(
          problem.inputs,
          [&](const hlo::Values& v) { return as_values(scan_step(recurrence(v), v[4], {.lanes = lanes})); },
          problem.expected, 1e-5);
  }
}

TEST_F(Scanning, PaddingKeepsTheStateBitForBit) {
  Problem problem = make({1, 4, 2, 3, 1, 4, 4, 1.0, 0});  // nothing real
  const Tensor before = problem.inputs[4];
  for (const bool joined : {false, true})
    expect(
        problem.inputs,
        [&](const hlo::Values& v) -> hlo::Values {
          return {scan_chunked(recurrence(v), v[4], {.chunk = 4, .joined = joined}).state};
        },
        {before}, 0);
}

TEST(ScanShapes, WrongShapesFailByName) {
  hlo::Module module("m");
  hlo::Function& f = module.main();
  const auto arg = [&](Dims dims) { return f.argument({DType::f32, std::move(dims)}); };
  const Recurrence good{arg({1, 2, 4}), arg({1, 2, 4, 3}), arg({1, 2, 2, 5}), arg({1, 2, 2, 5})};
  const auto message = [&](const Recurrence& r, Value state) -> std::string {
    try {
      scan(r, state);
    } catch (const hlo::BuildError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(message(good, arg({1, 4, 3, 5})), "no error");
  EXPECT_NE(message(good, arg({1, 4, 3, 6})).find("state is f32[1,4,3,6], expected f32[1,4,3,5]"),
            std::string::npos);
  Recurrence odd = good;
  odd.key = odd.query = arg({1, 2, 3, 5});
  EXPECT_NE(message(odd, arg({1, 4, 3, 5})).find("4 heads do not divide into 3 groups"), std::string::npos);
}

}  // namespace
}  // namespace adder::ssm
