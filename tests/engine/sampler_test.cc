// The sampler's distribution against exact probabilities, by chi-square over many draws; and its edges.

#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../op/op_fixture.h"
#include "engine/random.h"

namespace adder::engine {
namespace {

using op::Tensor;

constexpr std::int64_t kDraws = 8000;

/// Logits with a long tail and no ties; `vocab` of them.
std::vector<double> logits_of(std::int64_t vocab) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < vocab; ++i)
    out.push_back(static_cast<float>(3.0 * std::sin(12.9898 * static_cast<double>(i + 1)) + 0.001 * i));
  return out;
}

/// The exact distribution after temperature, top_k, top_p and min_p, in double precision.
std::vector<double> exact(const std::vector<double>& logits, const SamplingOptions& o) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  std::vector<double> p(logits.size(), 0);
  double total = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    if (o.top_k > 0 && rank >= static_cast<std::size_t>(o.top_k)) break;
    p[order[rank]] = std::exp((logits[order[rank]] - logits[order[0]]) / o.temperature);
    total += p[order[rank]];
  }
  double before = 0;
  for (const std::size_t i : order) {
    const double mass = p[i];
    if ((before > 0 && before >= o.top_p * total) || mass < o.min_p) p[i] = 0;
    before += mass;
  }
  total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= total;
  return p;
}

class Sampling : public op::OpTest {
 protected:
  /// One token for each of `draws` rows: the same logits and seed, counters 0, 1, 2, ...
  static std::vector<int> draw(const pjrt::Client& client, const std::vector<double>& logits,
                               SamplingOptions o, std::int64_t draws = kDraws) {
    const std::vector<SamplingOptions> rows{o};
    SamplerSpec spec = sampler_for(rows);
    spec.logprobs = true;
    const auto vocab = static_cast<std::int64_t>(logits.size());
    hlo::Module module("draw");
    hlo::Function& f = module.main();
    const auto splat = [&](double v) { return hlo::constant(f, DType::f32, v, {draws}); };
    const hlo::Value low = hlo::constant_int(f, DType::u32, static_cast<std::int64_t>(o.seed), {draws, 1});
    const hlo::Value high = hlo::constant_int(f, DType::u32, 0, {draws, 1});
    const SamplerParams<hlo::Value> params{.key = hlo::concatenate({low, high}, 1),
                                           .temperature = splat(o.temperature),
                                           .top_p = splat(o.top_p),
                                           .min_p = splat(o.min_p),
                                           .repetition_penalty = splat(1),
                                           .presence_penalty = splat(0),
                                           .frequency_penalty = splat(0),
                                           .top_k = hlo::constant_int(f, DType::s32, o.top_k, {draws})};
    hlo::Value row = f.argument({DType::f32, {vocab}});
    hlo::Value u = uniform(params.key, hlo::iota(f, {DType::u32, {draws}}, 0));
    const Draw out = sample(spec, params, hlo::broadcast_to(row, {draws, vocab}), vocab, std::nullopt, u);
    f.finish({{"token", out.token}, {"logprob", out.logprob}});
    auto results = run(client, module.text(), {op::f32({vocab}, logits)});
    EXPECT_TRUE(results) << results.error().to_string();
    if (!results) return {};
    const double top = *std::max_element(logits.begin(), logits.end());
    double mass = 0;
    for (double l : logits) mass += std::exp(l - top);
    for (std::size_t i = 0; i < 20; ++i) {
      const auto id = static_cast<std::size_t>((*results)[0].values[i]);
      EXPECT_NEAR((*results)[1].values[i], logits.at(id) - top - std::log(mass), 1e-4);
    }
    return {(*results)[0].values.begin(), (*results)[0].values.end()};
  }

  /// Fails when the draws are unlikely (about one in ten thousand) under the exact distribution, or when a
  /// token of probability zero was drawn. Tokens expected fewer than five times are pooled.
  static void expect_distribution(const std::vector<int>& tokens, const std::vector<double>& p) {
    std::vector<double> counts(p.size(), 0);
    for (int t : tokens) {
      ASSERT_GE(t, 0);
      ASSERT_LT(static_cast<std::size_t>(t), p.size());
      ASSERT_GT(p[static_cast<std::size_t>(t)], 0) << "token " << t << " was cut";
      counts[static_cast<std::size_t>(t)] += 1;
    }
    const auto n = static_cast<double>(tokens.size());
    double chi2 = 0, pooled_expected = 0, pooled_count = 0;
    int cells = 0;
    const auto cell = [&](double count, double expected) {
      chi2 += (count - expected) * (count - expected) / expected;
      ++cells;
    };
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] * n >= 5) {
        cell(counts[i], p[i] * n);
      } else {
        pooled_expected += p[i] * n;
        pooled_count += counts[i];
      }
    }
    if (pooled_expected >= 5) cell(pooled_count, pooled_expected);
    const double freedom = std::max(1, cells - 1);
    // Wilson-Hilferty: (chi2/k)^(1/3) is close to normal; 3.7 sigma is about 1e-4.
    const double z = (std::cbrt(chi2 / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
    EXPECT_LT(z, 3.7) << "chi2 " << chi2 << " with " << freedom << " degrees of freedom";
  }

  void check(std::int64_t vocab, const SamplingOptions& o) {
    const std::vector<double> logits = logits_of(vocab);
    for (const auto& [path, client] : clients()) {
      SCOPED_TRACE(path);
      expect_distribution(draw(client, logits, o), exact(logits, o));
    }
  }
};

SamplingOptions plain() { return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 7}; }

TEST_F(Sampling, Temperature) {
  for (double temperature : {0.5, 1.0, 1.7}) {
    SamplingOptions o = plain();
    o.temperature = temperature;
    check(150, o);
  }
}

TEST_F(Sampling, TopKAmongCandidates) {
  SamplingOptions o = plain();
  o.top_k = 7;
  check(150, o);
  o.top_k = 1;
  check(150, o);
}

TEST_F(Sampling, TopKOverTheWholeVocabulary) {
  SamplingOptions o = plain();
  o.top_k = kCandidates + 30;
  check(150, o);
}

TEST_F(Sampling, TopP) {
  for (std::int64_t k : {std::int64_t{0}, std::int64_t{40}}) {
    SamplingOptions o = plain();
    o.top_k = k;
    o.top_p = 0.8;
    check(150, o);
  }
}

TEST_F(Sampling, TopPBelowTheLikeliestKeepsOne) {
  for (std::int64_t k : {std::int64_t{0}, std::int64_t{40}}) {
    SamplingOptions o = plain();
    o.top_k = k;
    o.top_p = 1e-6;
    check(150, o);
  }
}

TEST_F(Sampling, MinP) {
  for (std::int64_t k : {std::int64_t{0}, std::int64_t{64}}) {
    SamplingOptions o = plain();
    o.top_k = k;
    o.min_p = 0.2;
    check(150, o);
  }
}

TEST_F(Sampling, EverythingTogether) {
  check(150, {.temperature = 0.9, .top_k = 30, .top_p = 0.9, .min_p = 0.02, .seed = 11});
  check(150, {.temperature = 0.9, .top_k = 100, .top_p = 0.9, .min_p = 0.02, .seed = 12});
}

TEST_F(Sampling, SeedsRepeatAndDiffer) {
  const std::vector<double> logits = logits_of(150);
  for (const auto& [path, client] : clients()) {
    SamplingOptions o = plain();
    const auto first = draw(client, logits, o, 500), again = draw(client, logits, o, 500);
    o.seed = 8;
    EXPECT_EQ(first, again);
    EXPECT_NE(first, draw(client, logits, o, 500));
  }
}

TEST_F(Sampling, ThreefryKnownAnswers) {
  // Random123 1.14, kat_vectors, threefry2x32 with 20 rounds.
  const auto words = [](std::vector<double> v) { return op::tensor(DType::u32, {3}, std::move(v)); };
  expect({words({0, 0xffffffff, 0x13198a2e}), words({0, 0xffffffff, 0x03707344}),
          words({0, 0xffffffff, 0x243f6a88}), words({0, 0xffffffff, 0x85a308d3})},
         [](const hlo::Values& v) -> hlo::Values {
           const auto [x0, x1] = threefry_2x32(v[0], v[1], v[2], v[3]);
           return {x0, x1};
         },
         {words({0x6b200159, 0x1cb996fc, 0xc4923a9c}), words({0x99ba4efe, 0xbb002be7, 0x483df7a0})});
}

TEST_F(Sampling, PaddedIdsAreNeverChosen) {
  // Greedy: id 3 has the largest logit but does not exist.
  expect(
      {op::f32({1, 4}, {1, 5, 2, 9})},
      [](const hlo::Values& v) -> hlo::Values { return {sample({}, {}, v[0], 3, std::nullopt, v[0]).token}; },
      {op::s32({1}, {1})});
}

TEST_F(Sampling, Penalties) {
  // history: id 0 in the prompt only, id 1 generated twice, id 2 not seen, id 3 in the prompt and once
  // generated.
  const std::vector<double> logits{3, 2.9, 1, -1};
  const auto choose = [&](double repetition, double presence, double frequency, double expected) {
    expect({op::f32({1, 4}, logits), op::s32({1, 4}, {1, 4, 0, 3}),
            op::f32({3}, {repetition, presence, frequency})},
           [](const hlo::Values& v) -> hlo::Values {
             const auto one = [&](std::int64_t i) { return hlo::slice_axis(v[2], 0, i, i + 1); };
             SamplerParams<hlo::Value> p;
             p.repetition_penalty = one(0);
             p.presence_penalty = one(1);
             p.frequency_penalty = one(2);
             SamplerSpec spec;
             spec.penalties = true;
             return {sample(spec, p, v[0], 4, v[1], v[0]).token};
           },
           {op::s32({1}, {expected})});
  };
  choose(1, 0, 0, 0);
  choose(1.5, 0, 0, 0);    // 2.0, 1.93, 1, -1.5: the prompt counts for repetition
  choose(4, 0, 0, 2);      // 0.75, 0.725, 1, -4
  choose(1, -0.2, 0, 1);   // presence of -0.2 lifts id 1 above id 0: the prompt does not count
  choose(1, 0, -0.06, 1);  // frequency counts twice
  choose(1, 0, -0.04, 0);
}

TEST(SamplerOptions, TheLeastCapableSamplerServes) {
  const auto spec = [](SamplingOptions o) {
    const std::vector<SamplingOptions> rows{o};
    return to_string(sampler_for(rows));
  };
  EXPECT_EQ(spec({.temperature = 0}), "greedy");
  EXPECT_EQ(spec({}), "candidates");
  EXPECT_EQ(spec({.top_k = 0, .top_p = 1}), "full");
  EXPECT_EQ(spec({.top_k = 0, .top_p = 0.9}), "full_p");
  EXPECT_EQ(spec({.top_k = 1000, .top_p = 0.9, .repetition_penalty = 1.1}), "full_k_p_pen");
}

TEST(SamplerOptions, OutOfRangeIsNamed) {
  EXPECT_TRUE(validate({}));
  const auto rejected = [](SamplingOptions o, const char* name) {
    const Status status = validate(o);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
  };
  rejected({.temperature = -1}, "temperature");
  rejected({.temperature = std::nan("")}, "temperature");
  rejected({.top_k = -1}, "top_k");
  rejected({.top_p = 0}, "top_p");
  rejected({.top_p = 1.5}, "top_p");
  rejected({.min_p = -0.1}, "min_p");
  rejected({.repetition_penalty = 0}, "repetition_penalty");
}

// What would overflow or vanish in float32, or make a logit do so, is refused by option, value and range.
TEST(SamplerOptions, EdgesOfFloat32AreRefused) {
  const auto message = [](SamplingOptions o) {
    const Status status = validate(o);
    return status ? std::string() : status.error().message;
  };
  for (const double tiny : {1e-45, 2e-38, 1.17e-38, 1e-31, 5e-324}) {
    EXPECT_EQ(message({.temperature = tiny}),
              fmt::format("temperature is {}, expected 0 (greedy) or [1e-30, 1e+30]", tiny));
    EXPECT_EQ(message({.repetition_penalty = tiny}),
              fmt::format("repetition_penalty is {}, expected [1e-06, 1000000]", tiny));
    // These only become 0, or nothing at all beside 1.
    EXPECT_EQ(message({.top_p = tiny, .min_p = tiny, .presence_penalty = tiny, .frequency_penalty = -tiny}),
              "");
  }
  for (const double huge : {3.4e38, 3.5e38, 1e300, std::numeric_limits<double>::infinity()}) {
    EXPECT_NE(message({.temperature = huge}), "");
    EXPECT_NE(message({.repetition_penalty = huge}), "");
    EXPECT_NE(message({.presence_penalty = -huge}), "");
    EXPECT_NE(message({.frequency_penalty = huge}), "");
  }
  const double nan = std::nan("");
  for (const SamplingOptions& o :
       {SamplingOptions{.temperature = nan}, SamplingOptions{.top_p = nan}, SamplingOptions{.min_p = nan},
        SamplingOptions{.repetition_penalty = nan}, SamplingOptions{.presence_penalty = nan},
        SamplingOptions{.frequency_penalty = nan}})
    EXPECT_NE(message(o), "");
  EXPECT_EQ(message({.temperature = 1e-30, .repetition_penalty = 1e-6}), "");
  EXPECT_EQ(message({.temperature = 1e30, .repetition_penalty = 1e6}), "");
}

}  // namespace
}  // namespace adder::engine
