// The paper's suite: what it plans, how its numbers are made, and that its loops say the same.

#include "measure/suite.h"

#include "engine_fixture.h"
#include "measure/benchmark.h"
#include "measure/process_memory.h"

namespace adder::measure {
namespace {

using namespace engine;  // NOLINT: the fixture is the engine's

using Ats = std::vector<std::int64_t>;

constexpr SuiteRates kRates{.step_s = 0.02, .prefill_s_per_token = 0.0015, .compile_s = 2, .sample_s = 0.2};

TEST(SuitePlanTest, HasEveryPointWithoutABudget) {
  SuiteOptions options;
  options.budget_s = 0;
  const SuitePlan plan = plan_suite(options, kRates);
  EXPECT_TRUE(plan.dropped.empty());
  EXPECT_EQ(plan.sample, 64);
  EXPECT_EQ(plan.of(Experiment::prefill), (Ats{1, 128, 512, 1024, 2048, 4096}));
  EXPECT_EQ(plan.of(Experiment::positions), (Ats{100, 128, 512, 1024, 2048, 4096, 10000, 100000}));
  EXPECT_EQ(plan.of(Experiment::generation), options.lengths);
  EXPECT_EQ(plan.of(Experiment::loops), options.blocks);
  EXPECT_EQ(plan.of(Experiment::batch), options.batches);
}

TEST(SuitePlanTest, ABudgetTakesTheMostExpensivePointsFirst) {
  SuiteOptions options;
  options.budget_s = 0;
  const SuitePlan whole = plan_suite(options, kRates);
  options.budget_s = whole.estimated_s() - 1;
  const SuitePlan plan = plan_suite(options, kRates);
  ASSERT_EQ(plan.dropped.size(), 1u);
  EXPECT_EQ(plan.dropped[0].experiment, Experiment::positions);
  EXPECT_EQ(plan.dropped[0].at, 100000);
  for (const SuitePoint& p : plan.points) EXPECT_LE(p.estimated_s, plan.dropped[0].estimated_s);
  EXPECT_LE(plan.estimated_s(), options.budget_s);
}

TEST(SuitePlanTest, WhatStillFitsIsNotDropped) {
  // The dearest point alone is over the budget by far: it must not take cheap ones with it.
  SuiteOptions options;
  options.max_position = 10'000'000;
  options.budget_s = 420;
  const SuitePlan plan = plan_suite(options, kRates);
  ASSERT_GE(plan.dropped.size(), 2u);
  EXPECT_LE(plan.estimated_s(), options.budget_s);
  for (const SuitePoint& p : plan.dropped) EXPECT_GT(plan.estimated_s() + p.estimated_s, options.budget_s);
}

TEST(SuitePlanTest, TheSmallestPointOfEachExperimentStays) {
  SuiteOptions options;
  options.budget_s = 0.001;
  const SuitePlan plan = plan_suite(options, kRates);
  EXPECT_EQ(plan.points.size(), 6u);
  for (const Experiment e : {Experiment::prefill, Experiment::positions, Experiment::generation,
                             Experiment::loops, Experiment::batch, Experiment::memory})
    EXPECT_EQ(plan.of(e).size(), 1u) << name(e);
}

TEST(SuitePlanTest, ASlowModelDecodesFewerTokensInARun) {
  SuiteRates rates = kRates;
  rates.step_s = 0.1;
  EXPECT_EQ(plan_suite({}, rates).sample, 16);
  rates.step_s = 10;
  EXPECT_EQ(plan_suite({}, rates).sample, 8);
}

PrefillPoint prefill(std::int64_t tokens, double seconds) {
  PrefillPoint p;
  p.tokens = tokens;
  p.measured.seconds = seconds;
  return p;
}
PositionPoint position(std::int64_t at, double tokens_per_s) {
  PositionPoint p;
  p.position = at;
  p.measured.tokens_per_s = tokens_per_s;
  return p;
}

TEST(Recompute, ATotalIsTheSumOfEveryStep) {
  // A step at n costs n seconds: 1 + 2 + ... + L.
  const auto rows = compare_recompute({prefill(1, 1), prefill(10, 10), prefill(100, 100)},
                                      {position(10, 2), position(50, 4)}, {{100, 1, 20, 0, 0}});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_DOUBLE_EQ(rows[0].total_s, 55);
  EXPECT_DOUBLE_EQ(rows[0].cached_step_s, 0.5);
  EXPECT_DOUBLE_EQ(rows[0].cached_total_s, 5);
  EXPECT_FALSE(rows[0].cached_total_measured);
  EXPECT_DOUBLE_EQ(rows[1].total_s, 5050);
  EXPECT_DOUBLE_EQ(rows[1].cached_step_s, 0.25);  // of the last position before it
  EXPECT_DOUBLE_EQ(rows[1].step_speedup(), 400);
  EXPECT_DOUBLE_EQ(rows[1].total_speedup(), 5050.0 / 20);
  EXPECT_TRUE(rows[1].cached_total_measured);
}

TEST(ProcessMemory, ThePeakStartsAgainWhereThatIsAllowed) {
  ASSERT_TRUE(resident_bytes());
  {
    std::vector<char> large(std::size_t{256} << 20, 1);
    ASSERT_EQ(large[large.size() / 2], 1);
  }
  const std::int64_t before = peak_resident_bytes().value();
  EXPECT_GE(before, resident_bytes().value());
  if (!reset_peak_resident()) GTEST_SKIP() << "/proc/self/clear_refs is not writable here";
  EXPECT_LT(peak_resident_bytes().value(), before - (std::int64_t{128} << 20));
}

struct Suite : EngineTest {};

TEST_F(Suite, HostLoopPipelineAndDeviceLoopSayTheSame) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    ASSIGN_OK(const Ids host, generated_ids(e, {.tokens = 40, .block = 1, .in_flight = 1}));
    EXPECT_EQ(host.size(), 40u);
    for (const GenerationRun& run : {GenerationRun{.tokens = 40, .block = 1},
                                     {.tokens = 40, .block = 16},
                                     {.tokens = 40, .block = 64}}) {
      ASSIGN_OK(const Ids ids, generated_ids(e, run));
      EXPECT_EQ(ids, host) << run.block;
    }
  }
}

TEST_F(Suite, AHostLoopEnqueuesNothingBeforeItHasTheToken) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  for (const std::int64_t in_flight : {1, 2, 3}) {
    ASSIGN_OK(State zero, e.zero_state());
    Session session(e, std::move(zero));
    ASSIGN_OK(Generation generation, Generation::start(session, Rows{{5}},
                                                       {.sampling = {{.temperature = 0}},
                                                        .stop_ids = {},
                                                        .max_tokens = {8},
                                                        .block = 1,
                                                        .in_flight = in_flight}));
    const auto before = e.client().stats().executions;
    for (std::int64_t i = 0; i < 8; ++i) {
      ASSIGN_OK(const auto block, generation.next());
      EXPECT_EQ(e.client().stats().executions - before, std::min<std::int64_t>(i + in_flight, 8));
    }
  }
  ASSIGN_OK(State zero, e.zero_state());
  Session session(e, std::move(zero));
  EXPECT_FALSE(Generation::start(
      session, Rows{{5}},
      {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {8}, .block = 1, .in_flight = 0}));
}

TEST_F(Suite, RunsOnEveryPlugin) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    std::size_t lines = 0;
    ASSIGN_OK(const SuiteReport r, run_suite(e, SuiteOptions::quick(), [&](std::string_view) { ++lines; }));
    EXPECT_GT(lines, 10u);
    EXPECT_EQ(r.weight_bytes, e.weight_bytes());
    EXPECT_EQ(r.recompute.size(), 2u);
    ASSERT_EQ(r.positions.size(), 4u);  // 16, 100, 128, 1000
    EXPECT_EQ(r.positions.back().state_bytes, r.positions.front().state_bytes);
    ASSERT_EQ(r.loops.size(), 4u);
    for (const LoopPoint& p : r.loops) EXPECT_TRUE(p.same_tokens) << p.block;
    for (const PrefillPoint& p : r.prefill) EXPECT_GT(p.measured.gemm_share, 0);
    for (const PositionPoint& p : r.positions) EXPECT_GT(p.measured.bandwidth_share, 0);
    EXPECT_EQ(r.batches.back().state_bytes, 2 * r.batches.front().state_bytes);
    ASSERT_FALSE(r.memory.empty());
    for (const MemoryPoint& p : r.memory) {
      ASSERT_TRUE(p.one_program) << "every pinned plugin keeps this count";
      EXPECT_GT(*p.one_program, r.weight_bytes);
    }
  }
}

TEST_F(Suite, BenchmarkBeginsAtItsDepth) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  BenchmarkOptions options;
  options.prompts = {16};
  options.generates = {8};
  options.depths = {0, 20};
  options.repetitions = 1;
  std::vector<std::string> tests;
  ASSIGN_OK(const BenchmarkReport report,
            run_benchmark(e, options, [&](const BenchmarkRow& row) { tests.push_back(row.test); }));
  EXPECT_EQ(tests, (std::vector<std::string>{"pp16", "tg8", "pp16 @ d20", "tg8 @ d20"}));
  EXPECT_EQ(report.rows[3].depth, 20);
  ASSIGN_OK(const State deep, state_at(e, 2, 20));
  ASSIGN_OK(const auto positions, deep.positions());
  EXPECT_EQ(positions, (std::vector<std::int64_t>{20, 20}));
}

}  // namespace
}  // namespace adder::measure
