// Hidden states, logits, states and greedy tokens against the float64 oracle, on every plugin.
// Tolerances: docs/PARITY.md.

#include <fstream>

#include "base/json.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

/// A golden, and the platform whose way of writing graphs is taken; empty: the plugin's own.
struct Parity : EngineTest, testing::WithParamInterface<std::tuple<const char*, const char*>> {
  static const char* golden_name() { return std::get<0>(GetParam()); }
  static Engine& parity_engine(const std::string& plugin) {
    return engine(plugin, golden_dir(golden_name()), DType::f32, std::get<1>(GetParam()));
  }
  static void expect_close(const std::string& what, std::span<const float> actual,
                           std::span<const float> expected, double absolute, double relative) {
    const Difference d = difference(actual, expected);
    EXPECT_LE(d.max, absolute + relative * d.scale)
        << what << ": max " << d.max << ", rmse " << d.rmse << ", largest expected " << d.scale;
  }

  /// Absorbs the golden's tokens in pieces of these lengths, the rest in one: the tolerances of
  /// docs/PARITY.md.
  static void expect_oracle(const Engine& e, const Golden& golden, const std::vector<std::size_t>& split) {
    ASSIGN_OK(State zero, e.zero_state());
    Session session(e, std::move(zero));
    const Ids ids = golden.ids("input_ids");
    AllOutputs out;
    out.hidden.resize(static_cast<std::size_t>(e.config().n_layer) + 1);
    const auto append = [](std::vector<float>& to, const std::vector<float>& more) {
      to.insert(to.end(), more.begin(), more.end());
    };
    for (std::size_t at = 0, piece = 0; at < ids.size(); ++piece) {
      const std::size_t left = ids.size() - at,
                        n = piece < split.size() ? std::min(split[piece], left) : left;
      ASSIGN_OK(const AllOutputs part, session.extend_all(std::span(ids).subspan(at, n)));
      for (std::size_t i = 0; i < out.hidden.size(); ++i) append(out.hidden[i], part.hidden[i]);
      append(out.final_hidden, part.final_hidden);
      append(out.logits, part.logits);
      at += n;
    }
    // Hidden values of the first goldens are of unit scale; those of other families are not.
    const bool unit = e.config().architecture() == "mamba2";
    const double absolute = unit ? 5e-5 : 0, scaled = unit ? 0 : 5e-5;
    for (std::size_t i = 0; i < out.hidden.size(); ++i) {
      const std::string name = "hidden." + std::to_string(i);
      expect_close(name, out.hidden[i], golden.floats(name), absolute, scaled);
    }
    expect_close("final_hidden", out.final_hidden, golden.floats("final_hidden"), absolute, scaled);
    expect_close("logits", out.logits, golden.floats("logits"), 0, 1e-4);
    ASSIGN_OK(const HostState state, to_host(e.states(), session.state(), e.model()));
    for (const HostState::Field& field : state.fields)
      expect_close(field.name, state.floats(field.name), golden.floats(field.name), 0, 1e-4);
  }
};

TEST_P(Parity, ForwardMatchesTheOracleInOnePieceAndSplit) {
  const Golden golden(golden_name());
  const std::vector<std::vector<std::size_t>> splits{{},       {1},     {5, 1, 64}, {3, 16, 17, 1, 1, 100},
                                                     {127, 2}, {128, 1}};
  for (const std::string& plugin : plugins())
    for (const auto& split : splits) {
      SCOPED_TRACE(plugin + " split into " + testing::PrintToString(split));
      expect_oracle(parity_engine(plugin), golden, split);
    }
}

TEST_P(Parity, ForwardMatchesTheOracleTokenByToken) {
  const Golden golden(golden_name());
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const std::vector<std::size_t> singles(golden.ids("input_ids").size(), 1);
    expect_oracle(parity_engine(plugin), golden, singles);
  }
}

TEST_P(Parity, GreedyTokensAreEqual) {
  const Golden golden(golden_name());
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    Ids tokens;
    generate(parity_engine(plugin), golden.ids("greedy_prompt"), {.temperature = 0}, 64, 16, &tokens);
    EXPECT_EQ(tokens, golden.ids("greedy_tokens"));
  }
}

std::string parity_name(const testing::TestParamInfo<Parity::ParamType>& info) {
  std::string name = std::get<0>(info.param);
  const std::string policy = std::get<1>(info.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return policy.empty() ? name : name + "_as_" + policy;
}

INSTANTIATE_TEST_SUITE_P(Goldens, Parity,
                         testing::Combine(testing::Values("hf-tiny", "grouped-sharded-bf16-tiny",
                                                          "limits-bias-tiny", "odd-shapes-f16-tiny",
                                                          "mamba-ssm-tiny", "mamba1-hf-tiny",
                                                          "mamba1-ssm-tiny", "falcon-mamba-tiny"),
                                          testing::Values("", "plain", "cuda", "tpu")),
                         parity_name);

struct Demo : EngineTest {};

TEST_F(Demo, GreedyTokensOfTheEmbeddedModel) {
  std::ifstream file(std::filesystem::path(demo_dir()) / "expected.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  ASSIGN_OK(const Json expected, parse_json(text, "expected.json"));
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    Ids tokens;
    generate(engine(plugin, demo_dir()), expected.at("prompt_ids").get<Ids>(), {.temperature = 0}, 64, 16,
             &tokens);
    EXPECT_EQ(tokens, expected.at("greedy_tokens").get<Ids>());
  }
}

}  // namespace
}  // namespace adder::engine
