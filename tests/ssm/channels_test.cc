// The recurrence with a decay for each state channel, and its normaliser, against a plain double-precision
// loop, on every plugin.

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>
#include <random>

#include "../op/op_fixture.h"
#include "../support/compare.h"
#include "ssm/recurrence.h"

namespace adder::ssm {
namespace {

using op::Tensor;

/// How the decay is given.
enum class Decay { per_head, per_channel, rate };

struct Case {
  std::int64_t b, t, h, p, g, n;
  Form form = {};
  Decay decay = Decay::per_channel;
  double strongest = 30;  // log decays reach from -strongest to 0, which a quarter of them are
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "B" << c.b << " T" << c.t << " H" << c.h << " P" << c.p << " G" << c.g << " N" << c.n << " Q"
             << c.form.chunk << " q" << c.form.block << " L" << c.form.looped << " decay "
             << static_cast<int>(c.decay) << " to " << -c.strongest;
}

struct Problem {
  Tensor log_decay, rate, u, k, q, s;
};

Tensor drawn(Dims dims, const std::function<double()>& draw) {
  Tensor t = op::f32(std::move(dims), {});
  for (std::int64_t i = 0; i < t.shape.elements(); ++i) t.values.push_back(static_cast<float>(draw()));
  return t;
}

Problem make(const Case& c, unsigned seed = 20261127) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> unit;
  const auto any = [&] { return normal(random); };
  const auto decay = [&] {  // many small ones among large ones
    const double x = unit(random);
    return unit(random) < 0.25 ? 0.0 : -c.strongest * x * x * x;
  };
  const auto step = [&] { return unit(random) < 0.25 ? 0.0 : unit(random); };
  const Dims heads{c.b, c.t, c.h}, channels{c.b, c.t, c.h, c.n};
  return {.log_decay = c.decay == Decay::per_head      ? drawn(heads, decay)
                       : c.decay == Decay::per_channel ? drawn(channels, decay)
                                                       : drawn(heads, step),
          .rate = drawn({c.h, c.n}, decay),
          .u = drawn({c.b, c.t, c.h, c.p}, any),
          .k = drawn({c.b, c.t, c.g, c.n}, any),
          .q = drawn({c.b, c.t, c.g, c.n}, any),
          .s = drawn({c.b, c.h, c.p, c.n}, any)};
}

double log_decay_of(const Case& c, const Problem& x, std::int64_t token, std::int64_t h, std::int64_t n) {
  const auto at = [](const Tensor& t, std::int64_t i) { return t.values[static_cast<std::size_t>(i)]; };
  const std::int64_t head = token * c.h + h;
  if (c.decay == Decay::per_head) return at(x.log_decay, head);
  if (c.decay == Decay::per_channel) return at(x.log_decay, head * c.n + n);
  return at(x.log_decay, head) * at(x.rate, h * c.n + n);
}

/// y and the last state, token by token as src/ssm/recurrence.h writes it.
std::vector<Tensor> recur(const Case& c, const Problem& x) {
  const auto i = [](std::int64_t index) { return static_cast<std::size_t>(index); };
  Tensor y = op::f32(x.u.shape.dims, std::vector<double>(x.u.values.size()));
  Tensor s = x.s;
  for (std::int64_t token = 0; token < c.b * c.t; ++token)  // row by row
    for (std::int64_t h = 0; h < c.h; ++h)
      for (std::int64_t p = 0; p < c.p; ++p)
        for (std::int64_t n = 0; n < c.n; ++n) {
          const std::int64_t group = (token * c.g + h / (c.h / c.g)) * c.n + n;
          const std::int64_t out = (token * c.h + h) * c.p + p;
          double& state = s.values[i((((token / c.t) * c.h + h) * c.p + p) * c.n + n)];
          state =
              std::exp(log_decay_of(c, x, token, h, n)) * state + x.u.values[i(out)] * x.k.values[i(group)];
          y.values[i(out)] += state * x.q.values[i(group)];
        }
  return {y, s};
}

using Write = std::function<hlo::Values(const Recurrence&, hlo::Value state)>;

class Channels : public op::OpTest {
 protected:
  static std::string program(const Case& c, const Problem& x, const Write& write) {
    hlo::Module module("scan");
    hlo::Function& main = module.main();
    Recurrence r;
    r.log_decay = main.argument(x.log_decay.shape);
    const hlo::Value rate = main.argument(x.rate.shape);
    if (c.decay == Decay::rate) r.rate = rate;
    r.input = main.argument(x.u.shape);
    r.key = main.argument(x.k.shape);
    r.query = main.argument(x.q.shape);
    const hlo::Value state = main.argument(x.s.shape);
    std::vector<hlo::NamedValue> results;
    for (const hlo::Value& v : write(r, state)) results.push_back({"", v});
    main.finish(std::move(results));
    return module.text();
  }

  /// Runs it on every plugin; every result is within `relative` of the largest value of the expected one.
  static void expect(const Case& c, const Problem& x, const Write& write, const std::vector<Tensor>& expected,
                     double relative = 1e-5) {
    const std::string text = program(c, x, write);
    for (const auto& [path, client] : clients()) {
      testing::Message where;
      where << path << " " << c;
      SCOPED_TRACE(where);
      const auto actual = run(client, text, {x.log_decay, x.rate, x.u, x.k, x.q, x.s});
      ASSERT_TRUE(actual) << actual.error().to_string();
      ASSERT_EQ(actual->size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(to_string((*actual)[i].shape), to_string(expected[i].shape));
        const auto floats = [](const Tensor& t) {
          return std::vector<float>(t.values.begin(), t.values.end());
        };
        const auto difference = test::compare(floats((*actual)[i]), floats(expected[i]));
        EXPECT_TRUE(difference.within(0, relative)) << "result " << i << ": " << to_string(difference);
      }
    }
  }

  static Write whole(const Form& form) {
    return [form](const Recurrence& r, hlo::Value state) -> hlo::Values {
      const Scan out = scan(r, state, form);
      return {out.y, out.state};
    };
  }
};

class ChannelCases : public Channels, public testing::WithParamInterface<Case> {};

TEST_P(ChannelCases, EqualTheRecurrence) {
  const Problem problem = make(GetParam());
  expect(GetParam(), problem, whole(GetParam().form), recur(GetParam(), problem));
}

constexpr Form kBlocks{.chunk = 32, .block = 16};

INSTANTIATE_TEST_SUITE_P(Step, ChannelCases,
                         testing::Values(Case{2, 1, 4, 3, 2, 5}, Case{1, 1, 3, 2, 3, 64, {.lanes = 32}},
                                         Case{2, 1, 6, 1, 1, 4, {}, Decay::rate}));
// One token more and less than a block, a chunk and two of them; blocks that do not divide a chunk.
INSTANTIATE_TEST_SUITE_P(Chunked, ChannelCases,
                         testing::Values(Case{2, 15, 4, 3, 2, 5, kBlocks}, Case{1, 16, 2, 3, 2, 1, kBlocks},
                                         Case{1, 17, 4, 3, 1, 8, kBlocks}, Case{2, 33, 4, 3, 2, 5, kBlocks},
                                         Case{1, 67, 3, 4, 3, 16, kBlocks}, Case{1, 131, 2, 3, 1, 4},
                                         Case{1, 259, 2, 2, 2, 3},
                                         Case{2, 67, 4, 3, 2, 5, kBlocks, Decay::per_channel, 0.2},
                                         Case{1, 40, 2, 3, 1, 4, kBlocks, Decay::rate},
                                         Case{1, 23, 2, 3, 2, 4, {.chunk = 10, .block = 4}},
                                         Case{1, 9, 2, 3, 2, 4, {.chunk = 2, .block = 4}},
                                         Case{1, 7, 2, 3, 1, 4, {.chunk = 1}}));
INSTANTIATE_TEST_SUITE_P(Looped, ChannelCases,
                         testing::Values(Case{1, 2, 6, 1, 1, 4}, Case{2, 17, 6, 1, 1, 16, {}, Decay::rate},
                                         Case{2, 33, 6, 1, 3, 5},
                                         Case{1, 40, 4, 1, 4, 3, {}, Decay::per_channel, 0.2},
                                         Case{2, 16, 6, 1, 1, 16, {.looped = 16}, Decay::rate},
                                         Case{2, 35, 6, 1, 2, 5, {.looped = 8}},
                                         Case{1, 3, 4, 1, 1, 2, {.looped = 64}}));

TEST_F(Channels, RandomShapesEqualTheRecurrence) {
  std::mt19937 random(11);
  const auto pick = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  for (unsigned i = 0; i < 6; ++i) {
    const std::int64_t g = pick(1, 3);
    const Form form{.chunk = pick(1, 40), .block = pick(1, 17), .looped = pick(1, 9)};
    const Case c{pick(1, 2), pick(1, 90), g * pick(1, 3), i % 3 == 0 ? 1 : pick(2, 5),
                 g,          pick(1, 9),  form,           i % 2 == 0 ? Decay::per_channel : Decay::rate};
    const Problem problem = make(c, i);
    expect(c, problem, whole(form), recur(c, problem));
  }
}

// The sum of 128 log decays of -30 has an error of 1e-4 in float32, and so would a difference of two of them.
TEST_F(Channels, ASmallDecayAfterLargeOnesKeepsItsAccuracy) {
  const Case c{1, 128, 1, 2, 1, 1, {.chunk = 128, .block = 16}};
  Problem problem = make(c);
  for (std::size_t t = 0; t < problem.log_decay.values.size(); ++t)
    problem.log_decay.values[t] = static_cast<float>(t % 16 < 2 ? -0.3 : -30.1);
  expect(c, problem, whole(c.form), recur(c, problem), 1e-6);
}

/// The tokens [from, to) of each input.
Recurrence tokens(const Recurrence& r, std::int64_t from, std::int64_t to) {
  Recurrence part = r;
  for (hlo::Value* x : {&part.log_decay, &part.input, &part.key, &part.query})
    *x = hlo::slice_axis(*x, 1, from, to);
  return part;
}

TEST_F(Channels, ScanningInTwoPartsIsScanningTheWhole) {
  for (const Case& c : {Case{2, 41, 4, 3, 2, 5, kBlocks}, Case{2, 41, 4, 1, 1, 5, {}, Decay::rate},
                        Case{1, 41, 4, 1, 1, 5, {.looped = 8}}}) {
    const Problem problem = make(c);
    for (const std::int64_t at : {1, 17}) {
      const Write parts = [&](const Recurrence& r, hlo::Value state) -> hlo::Values {
        const Scan first = scan(tokens(r, 0, at), state, c.form);
        const Scan second = scan(tokens(r, at, c.t), first.state, c.form);
        return {hlo::concatenate({first.y, second.y}, 1), second.state};
      };
      expect(c, problem, parts, recur(c, problem));
    }
  }
}

TEST_F(Channels, PaddingKeepsTheStateBitForBit) {
  for (const Case& c : {Case{2, 1, 4, 3, 2, 5}, Case{2, 67, 4, 3, 2, 5, kBlocks}, Case{1, 5, 2, 3, 1, 4},
                        Case{2, 19, 4, 1, 1, 5}, Case{2, 19, 4, 1, 1, 5, {.looped = 8}, Decay::rate}}) {
    Problem problem = make(c);
    for (Tensor* x : {&problem.log_decay, &problem.u}) std::fill(x->values.begin(), x->values.end(), 0.0);
    const Write state_only = [&](const Recurrence& r, hlo::Value state) -> hlo::Values {
      return {scan(r, state, c.form).state};
    };
    expect(c, problem, state_only, {problem.s}, 0);
  }
}

// mLSTM's and linear attention's normaliser: n_t = a_t n_{t-1} + b_t is one more row of the state.
TEST_F(Channels, ARowOfOnesIsTheNormaliser) {
  for (const Case& c : {Case{2, 37, 4, 3, 2, 5, kBlocks, Decay::per_head, 1.0},
                        Case{2, 37, 4, 3, 2, 5, kBlocks}, Case{2, 1, 4, 3, 2, 5}}) {
    const Problem problem = make(c);
    Case ones = c;  // the normaliser apart, as a recurrence of its own
    ones.p = 1;
    Problem apart = problem;
    apart.u = drawn({c.b, c.t, c.h, 1}, [] { return 1.0; });
    apart.s = drawn({c.b, c.h, 1, c.n}, [] { return 0.0; });
    const std::vector<Tensor> values = recur(c, problem), normaliser = recur(ones, apart);
    const Write joined = [&](const Recurrence& r, hlo::Value state) -> hlo::Values {
      hlo::Function& f = state.function();
      Recurrence more = r;
      more.input = hlo::concatenate({r.input, hlo::constant(f, DType::f32, 1, {c.b, c.t, c.h, 1})}, 3);
      const hlo::Value start = hlo::concatenate({state, hlo::zeros(f, {DType::f32, {c.b, c.h, 1, c.n}})}, 2);
      const Scan out = scan(more, start, c.form);
      return {hlo::slice_axis(out.y, 3, 0, c.p), hlo::slice_axis(out.state, 2, 0, c.p),
              hlo::slice_axis(out.y, 3, c.p, c.p + 1), hlo::slice_axis(out.state, 2, c.p, c.p + 1)};
    };
    expect(c, problem, joined, {values[0], values[1], normaliser[0], normaliser[1]});
  }
}

// Written out, the decay of a long piece takes N times the memory of everything else. (Some plugins do not
// say what they need.)
TEST_F(Channels, TheLoopNeedsNoMemoryForTheDecayOfAllTokens) {
  const Case c{1, 512, 1024, 1, 1, 16, {}, Decay::rate};
  Problem shapes;
  shapes.log_decay.shape = {DType::f32, {c.b, c.t, c.h}};
  shapes.rate.shape = {DType::f32, {c.h, c.n}};
  shapes.u.shape = {DType::f32, {c.b, c.t, c.h, c.p}};
  shapes.k.shape = shapes.q.shape = {DType::f32, {c.b, c.t, c.g, c.n}};
  shapes.s.shape = {DType::f32, {c.b, c.h, c.p, c.n}};
  const std::int64_t written_out = shapes.log_decay.shape.bytes() * c.n;
  for (const auto& [path, client] : clients()) {
    SCOPED_TRACE(path);
    const auto executable = client.compile(program(c, shapes, whole(c.form)));
    ASSERT_TRUE(executable) << executable.error().to_string();
    const auto stats = executable->memory_stats();
    if (stats) {
      EXPECT_LT(stats->temporaries, written_out / 4);
    }
  }
}

TEST(ChannelShapes, TheOddOneIsNamed) {
  hlo::Module module("m");
  hlo::Function& f = module.main();
  const auto arg = [&](Dims dims) { return f.argument({DType::f32, std::move(dims)}); };
  const Recurrence good{.log_decay = arg({1, 2, 4, 5}),
                        .input = arg({1, 2, 4, 3}),
                        .key = arg({1, 2, 2, 5}),
                        .query = arg({1, 2, 2, 5})};
  const hlo::Value state = arg({1, 4, 3, 5});
  const auto expect_message = [&](const std::function<void()>& build, const std::string& part) {
    try {
      build();
      ADD_FAILURE() << "no error, expected: " << part;
    } catch (const hlo::BuildError& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  scan(good, state);
  Recurrence odd = good;
  odd.log_decay = arg({1, 2, 4, 6});
  expect_message([&] { scan(odd, state); }, "log_decay is f32[1,2,4,6], expected f32[1,2,4,5]");
  odd = good;
  odd.rate = arg({4, 5});
  expect_message([&] { scan(odd, state); }, "log_decay is f32[1,2,4,5], expected f32[1,2,4]");
  odd.log_decay = arg({1, 2, 4});
  scan(odd, state);
  odd.rate = arg({5, 4});
  expect_message([&] { scan(odd, state); }, "rate is f32[5,4], expected f32[4,5]");
  odd = good;
  odd.query = arg({1, 3, 2, 5});
  expect_message([&] { scan(odd, state); }, "query is f32[1,3,2,5], expected f32[1,2,2,5]");
  expect_message([&] { scan(good, state, {.block = 0}); }, "block must be at least 1");
  expect_message([&] { scan(good, state, {.chunk = 0}); }, "chunk must be at least 1");
  expect_message([&] { scan_looped(good, state); }, "takes a decay per state channel and P = 1");
}

}  // namespace
}  // namespace adder::ssm
