// What the sampler may draw, by exact arithmetic: a law over vocabularies, temperatures and filters, on every
// plugin. Legend: B rows drawn at once, V vocabulary.

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "../op/op_fixture.h"
#include "engine/sampler.h"

namespace adder::engine {
namespace {

constexpr std::int64_t kRows = 8;

/// Rows of one call, on the host, rounded to what the device is given.
struct Batch {
  std::vector<float> logits;          // [B,V]
  std::vector<std::int32_t> history;  // [B,V], only with penalties
  std::vector<SamplingOptions> rows;  // [B]
  std::vector<float> uniform;         // [B]
};

double rounded(double x) { return static_cast<float>(x); }

/// Logits of one of several kinds: smooth, full of ties, far apart, nearly equal, or with one far above.
std::vector<float> random_logits(std::mt19937& random, std::int64_t vocab) {
  std::normal_distribution<double> normal(0, 3);
  std::vector<float> out(static_cast<std::size_t>(vocab));
  const auto kind = random() % 6;
  for (float& x : out) {
    double v = normal(random);
    if (kind == 1) v = std::round(v);
    if (kind == 2) v *= 1e25;
    if (kind == 3) v *= 1e-20;
    if (kind == 4) v = 7.3;
    x = static_cast<float>(v);
  }
  if (kind == 5) out[random() % out.size()] = 90;
  return out;
}

double log_uniform(std::mt19937& random, double low, double high) {
  return std::pow(10.0, std::uniform_real_distribution<double>(low, high)(random));
}

SamplingOptions random_options(std::mt19937& random, std::int64_t vocab, const SamplerSpec& spec) {
  const auto one_of = [&](std::initializer_list<double> values) {
    return values.begin()[random() % values.size()];
  };
  SamplingOptions o;
  o.temperature = one_of({0.8, 1, 1e-30, 1e30, log_uniform(random, -30, 30), log_uniform(random, -1, 1)});
  o.min_p = one_of({0, 1, 0.05, 1e-6, 0.999});
  o.top_p = spec.top_p || spec.method == SamplerSpec::Method::candidates
                ? one_of({1, 1e-45, 0.95, 0.5, 0.9999999})
                : 1;
  o.top_k = 0;
  if (spec.top_k) o.top_k = static_cast<std::int64_t>(one_of({0, 1, 2, static_cast<double>(vocab), 100}));
  if (spec.method == SamplerSpec::Method::candidates)
    o.top_k = static_cast<std::int64_t>(one_of({1, 2, 40, static_cast<double>(kCandidates)}));
  if (spec.penalties) {
    o.repetition_penalty = one_of({1, 1.3, 0.7, 1e-6, 1e6});
    o.presence_penalty = one_of({0, 0.1, -0.1, 1e6, 1e-45});
    o.frequency_penalty = one_of({0, 0.3, -0.3, -1e6, 1e-45});
  }
  return o;
}

Batch random_batch(std::uint32_t seed, std::int64_t vocab, const SamplerSpec& spec) {
  std::mt19937 random(seed);
  Batch out;
  for (std::int64_t b = 0; b < kRows; ++b) {
    const auto logits = random_logits(random, vocab);
    out.logits.insert(out.logits.end(), logits.begin(), logits.end());
    if (spec.penalties)
      for (std::int64_t v = 0; v < vocab; ++v)
        out.history.push_back(random() % 4 == 0 ? static_cast<int>(random() % 8) : 0);
    out.rows.push_back(random_options(random, vocab, spec));
    const std::uint_fast32_t edge[] = {0, (1u << 23) - 1, random() >> 9, random() >> 9};
    out.uniform.push_back(static_cast<float>(edge[random() % 4]) / (1 << 23));
  }
  return out;
}

/// What float32 cannot tell apart, for one row. Everything that a device computes of float32 inputs is
/// rounded: a score once for each of at most five operations, a gap once more, a quotient twice where it is a
/// product with a rounded reciprocal; exp is taken to be good to 2^-20 of its value beyond that. A sum of n
/// non-negative numbers, added in any order, is off by n·2^-24 of itself at most.
class Exact {
 public:
  Exact(const float* logits, const std::int32_t* history, std::int64_t vocab, const SamplingOptions& o)
      : o_(o), vocab_(static_cast<std::size_t>(vocab)) {
    constexpr double kUlp = 1.0 / (1 << 23);
    std::vector<double> score(vocab_), slack(vocab_);
    for (std::size_t i = 0; i < vocab_; ++i) {
      score[i] = logits[i];
      if (!history) continue;
      const double repetition = rounded(o.repetition_penalty);
      if (history[i] > 0) score[i] = score[i] > 0 ? score[i] / repetition : score[i] * repetition;
      const double frequency = rounded(o.frequency_penalty) * (history[i] >> 1);
      const double presence = rounded(o.presence_penalty) * std::min(history[i] >> 1, 1);
      slack[i] = 4 * kUlp * (std::fabs(score[i]) + std::fabs(frequency) + std::fabs(presence));
      score[i] -= frequency + presence;
    }
    const auto best = static_cast<std::size_t>(std::max_element(score.begin(), score.end()) - score.begin());
    const double temperature = rounded(o.temperature);
    for (std::size_t i = 0; i < vocab_; ++i) {
      const double gap = score[best] - score[i], off = slack[i] + slack[best] + 2 * kUlp * gap;
      near_.push_back(std::max(0.0, gap - off));
      far_.push_back(gap + off);
      heaviest_.push_back(std::exp(-near_[i] / temperature * (1 - 4 * kUlp)) * (1 + 8 * kUlp));
      lightest_.push_back(std::exp(-far_[i] / temperature * (1 + 4 * kUlp)) * (1 - 8 * kUlp));
    }
  }

  /// Why `token` cannot have been drawn; empty if it can.
  std::string objection(std::int64_t token) const {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_) return "outside the vocabulary";
    const auto t = static_cast<std::size_t>(token);
    if (near_[t] == 0) return {};  // the best, or one that float32 cannot tell from it
    if (heaviest_[t] < 1e-45) return "its weight vanishes";
    if (heaviest_[t] < rounded(o_.min_p)) return "below min_p";
    // Tokens surely better than this one, and all that can be left by top_k.
    std::int64_t better = 0;
    double mass_better = 0;
    for (std::size_t i = 0; i < vocab_; ++i) {
      if (far_[i] >= near_[t]) continue;
      ++better;
      mass_better += lightest_[i];
    }
    if (o_.top_k > 0 && better >= o_.top_k) return "below top_k";
    const double rounding = static_cast<double>(vocab_) / (1 << 24);
    if (o_.top_p < 1 && mass_better * (1 - rounding) > rounded(o_.top_p) * mass_left() * (1 + rounding))
      return "outside top_p";
    return {};
  }

 private:
  double mass_left() const {
    std::vector<double> mass = heaviest_;
    const auto k = static_cast<std::ptrdiff_t>(o_.top_k);
    if (k == 0 || static_cast<std::size_t>(k) >= vocab_)
      return std::accumulate(mass.begin(), mass.end(), 0.0);
    std::nth_element(mass.begin(), mass.begin() + k - 1, mass.end(), std::greater<>());
    const double least = mass[static_cast<std::size_t>(k - 1)];  // ties at the cut may all stay
    double sum = 0;
    for (const double m : mass) sum += m >= least * (1 - 1e-5) ? m : 0;
    return sum;
  }

  SamplingOptions o_;
  std::size_t vocab_;
  std::vector<double> near_, far_, heaviest_, lightest_;  // [V]: bounds of each gap and each weight
};

struct SamplerLaws : op::OpTest, testing::WithParamInterface<SamplerSpec> {
  static std::string program(const SamplerSpec& spec, std::int64_t vocab) {
    hlo::Module module("draw");
    hlo::Function& f = module.main();
    hlo::Value logits = f.argument({DType::f32, {kRows, vocab}});
    hlo::Value u = f.argument({DType::f32, {kRows}});
    SamplerParams<hlo::Value> params;
    visit_sampler(
        [&](const std::string& name, hlo::Value& value) {
          if (name != "key") value = f.argument({name == "top_k" ? DType::s32 : DType::f32, {kRows}});
        },
        params);
    std::optional<hlo::Value> history;
    if (spec.penalties) history = f.argument({DType::s32, {kRows, vocab}});
    const Draw draw = sample(spec, params, logits, vocab, history, u);
    f.finish({{"token", draw.token}, {"logprob", draw.logprob}});
    return module.text();
  }

  /// What each row drew and its log probability.
  static Result<std::pair<std::vector<std::int32_t>, std::vector<float>>> draw(
      const pjrt::Client& client, const pjrt::Executable& executable, std::int64_t vocab,
      const Batch& batch) {
    std::vector<pjrt::Buffer> buffers;
    Status status;
    const auto send = [&](const void* data, DType dtype, Dims dims) {
      if (!status) return;
      auto buffer = client.to_device(data, Shape{dtype, std::move(dims)}, client.default_device());
      if (buffer)
        buffers.push_back(*std::move(buffer));
      else
        status = fail(std::move(buffer).error());
    };
    send(batch.logits.data(), DType::f32, {kRows, vocab});
    send(batch.uniform.data(), DType::f32, {kRows});
    const auto column = [&](auto member) {
      std::vector<float> values;
      for (const SamplingOptions& o : batch.rows) values.push_back(static_cast<float>(o.*member));
      send(values.data(), DType::f32, {kRows});
    };
    column(&SamplingOptions::temperature);
    column(&SamplingOptions::top_p);
    column(&SamplingOptions::min_p);
    column(&SamplingOptions::repetition_penalty);
    column(&SamplingOptions::presence_penalty);
    column(&SamplingOptions::frequency_penalty);
    std::vector<std::int32_t> top_k;
    for (const SamplingOptions& o : batch.rows) top_k.push_back(static_cast<std::int32_t>(o.top_k));
    send(top_k.data(), DType::s32, {kRows});
    if (!batch.history.empty()) send(batch.history.data(), DType::s32, {kRows, vocab});
    ADDER_CHECK(std::move(status));
    std::vector<const pjrt::Buffer*> arguments;
    for (const auto& b : buffers) arguments.push_back(&b);
    ADDER_TRY(const auto results, executable.execute(arguments));
    ADDER_TRY(auto tokens, results[0].to_host<std::int32_t>());
    ADDER_TRY(auto logprobs, results[1].to_host<float>());
    return std::pair(std::move(tokens), std::move(logprobs));
  }
};

TEST_P(SamplerLaws, WhatIsDrawnIsAmongWhatExactArithmeticKeeps) {
  const SamplerSpec spec = GetParam();
  for (const std::int64_t vocab : {11, 512, 4099, 60000}) {
    const std::string text = program(spec, vocab);
    for (const auto& [path, client] : clients()) {
      SCOPED_TRACE(path + ", vocabulary " + std::to_string(vocab));
      const auto executable = client.compile(text);
      ASSERT_TRUE(executable) << executable.error().to_string();
      const int batches = vocab > 10000 ? 1 : 4;
      const bool held = rc::check([&, &client = client] {
        for (int i = 0; i < batches; ++i) {
          const Batch batch = random_batch(*rc::gen::arbitrary<std::uint32_t>(), vocab, spec);
          const auto drawn = draw(client, *executable, vocab, batch);
          RC_ASSERT(drawn.has_value());
          for (std::size_t b = 0; b < batch.rows.size(); ++b) {
            const std::size_t at = b * static_cast<std::size_t>(vocab);
            const Exact exact(batch.logits.data() + at, spec.penalties ? batch.history.data() + at : nullptr,
                              vocab, batch.rows[b]);
            const std::string objection = exact.objection(drawn->first[b]);
            const SamplingOptions& o = batch.rows[b];
            RC_LOG() << "row " << b << ": token " << drawn->first[b] << ", temperature " << o.temperature
                     << ", top_k " << o.top_k << ", top_p " << o.top_p << ", min_p " << o.min_p
                     << ", penalties " << o.repetition_penalty << " " << o.presence_penalty << " "
                     << o.frequency_penalty << ", u " << batch.uniform[b] << "\n";
            RC_ASSERT(objection == "");
            RC_ASSERT(drawn->second[b] <= 0.0F);
          }
        }
      });
      EXPECT_TRUE(held);
    }
  }
}

constexpr auto kFull = SamplerSpec::Method::full, kFew = SamplerSpec::Method::candidates;
INSTANTIATE_TEST_SUITE_P(
    Specs, SamplerLaws,
    testing::Values(SamplerSpec{.method = kFull}, SamplerSpec{.method = kFull, .top_k = true},
                    SamplerSpec{.method = kFull, .top_p = true},
                    SamplerSpec{.method = kFull, .top_k = true, .top_p = true},
                    SamplerSpec{
                        .method = kFull, .top_k = true, .top_p = true, .logprobs = true, .penalties = true},
                    SamplerSpec{.method = kFew},
                    SamplerSpec{.method = kFew, .logprobs = true, .penalties = true}),
    [](const auto& spec) { return to_string(spec.param); });

}  // namespace
}  // namespace adder::engine
