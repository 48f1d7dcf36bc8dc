// The state laws of design section 6 as properties.

#include <random>

#include "engine_fixture.h"

namespace adder::engine {
namespace {

constexpr const char* kModels[] = {"hf-tiny", "grouped-sharded-bf16-tiny", "odd-shapes-f16-tiny"};

Ids random_ids(std::mt19937& random, std::size_t n, std::int64_t vocab) {
  std::uniform_int_distribution<std::int32_t> id(0, static_cast<std::int32_t>(vocab) - 1);
  Ids out(n);
  for (auto& x : out) x = id(random);
  return out;
}

void expect_same_state(const HostState& a, const HostState& b, double relative) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  EXPECT_EQ(a.position, b.position);
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    const Difference ssm = difference(a.layers[i].ssm, b.layers[i].ssm);
    const Difference conv = difference(a.layers[i].conv, b.layers[i].conv);
    EXPECT_LE(ssm.max, relative * ssm.scale) << "ssm_state." << i;
    EXPECT_LE(conv.max, relative * conv.scale) << "conv_state." << i;
  }
}

struct StateLaws : EngineTest {};

TEST_F(StateLaws, SplitAnywhere) {
  std::mt19937 random(1);
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    const Engine& e = engine(golden_dir(model));
    const Ids ids = random_ids(random, 290, e.config().vocab_size);
    HostState whole;
    absorb(e, ids, {}, &whole);
    for (const std::vector<std::size_t>& split : {std::vector<std::size_t>{1},
                                                  {2},
                                                  {3, 1, 1},
                                                  {15, 1, 16},
                                                  {127},
                                                  {128},
                                                  {129},
                                                  {1, 3, 64},
                                                  {257},
                                                  {289}}) {
      SCOPED_TRACE(testing::PrintToString(split));
      HostState pieces;
      absorb(e, ids, split, &pieces);
      expect_same_state(pieces, whole, 2e-5);
    }
  }
}

TEST_F(StateLaws, DownToSingleTokens) {
  std::mt19937 random(2);
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    const Engine& e = engine(golden_dir(model));
    const Ids ids = random_ids(random, 37, e.config().vocab_size);
    HostState whole, singles;
    absorb(e, ids, {}, &whole);
    absorb(e, ids, std::vector<std::size_t>(ids.size(), 1), &singles);
    expect_same_state(singles, whole, 2e-5);
  }
}

TEST_F(StateLaws, EveryShortLength) {
  // Prompts shorter than the convolution window, and around the ladder's first rungs.
  std::mt19937 random(3);
  const Engine& e = engine(golden_dir("hf-tiny"));
  const Ids ids = random_ids(random, 35, e.config().vocab_size);
  for (std::size_t n = 1; n <= ids.size(); ++n) {
    SCOPED_TRACE(n);
    const Ids head(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
    HostState whole, singles;
    absorb(e, head, {}, &whole);
    absorb(e, head, std::vector<std::size_t>(n, 1), &singles);
    expect_same_state(singles, whole, 2e-5);
  }
}

TEST_F(StateLaws, NeighboursPaddingAndSlotDoNotMatter) {
  std::mt19937 random(4);
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    const Engine& e = engine(golden_dir(model));
    Rows rows;
    for (const std::size_t n : {5, 0, 40, 1, 129})
      rows.push_back(random_ids(random, n, e.config().vocab_size));
    ASSIGN_OK(State zero, e.zero_state(static_cast<std::int64_t>(rows.size())));
    Session session(e, std::move(zero));
    ASSERT_OK(session.extend(rows));
    for (std::size_t b = 0; b < rows.size(); ++b) {
      SCOPED_TRACE(b);
      ASSIGN_OK(const HostState together, to_host(session.state(), e.config(), static_cast<std::int64_t>(b)));
      HostState alone;
      absorb(e, rows[b], {}, &alone);
      expect_same_state(together, alone, 2e-5);
    }
  }
}

struct StateLawsAs : StateLaws, testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Policies, StateLawsAs, testing::Values("", "cuda"));

TEST_P(StateLawsAs, RowsOfABatchGenerateAsAlone) {
  std::mt19937 random(5);
  const Engine& e = engine(plugins().front(), golden_dir("hf-tiny"), GetParam());
  const Rows prompts{random_ids(random, 9, 512), random_ids(random, 2, 512), random_ids(random, 30, 512)};
  const std::vector<SamplingOptions> sampling{
      {.temperature = 0}, {.temperature = 0.9, .seed = 3}, {.temperature = 1.2, .top_k = 0, .seed = 4}};
  ASSIGN_OK(State zero, e.zero_state(3));
  Session session(e, std::move(zero));
  Rows heads = prompts;
  for (Ids& head : heads) head.pop_back();
  ASSERT_OK(session.extend(heads));
  ASSIGN_OK(Generation generation,
            Generation::start(session, prompts,
                              {.sampling = sampling, .stop_ids = {}, .max_tokens = {20, 33, 7}, .block = 8}));
  Rows together(3);
  while (true) {
    ASSIGN_OK(const auto block, generation.next());
    if (!block) break;
    for (std::size_t b = 0; b < 3; ++b)
      together[b].insert(together[b].end(), block->tokens[b].begin(), block->tokens[b].end());
  }
  const std::int64_t lengths[] = {20, 33, 7};
  for (std::size_t b = 0; b < 3; ++b) {
    Ids alone;
    generate(e, prompts[b], sampling[b], lengths[b], 8, &alone);
    EXPECT_EQ(together[b], alone) << "row " << b;
  }
}

TEST_F(StateLaws, ClonesEvolveIndependently) {
  std::mt19937 random(6);
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    const Ids first = random_ids(random, 20, 512), left = random_ids(random, 3, 512),
              right = random_ids(random, 17, 512);
    ASSIGN_OK(State zero, e.zero_state());
    Session trunk(e, std::move(zero));
    ASSERT_OK(trunk.extend(Rows{first}));
    ASSIGN_OK(State copy, trunk.state().clone(e.device()));
    Session fork(e, std::move(copy));
    ASSERT_OK(trunk.extend(Rows{left}));
    ASSERT_OK(fork.extend(Rows{right}));
    for (auto* branch : {&trunk, &fork}) {
      Ids all = first;
      const Ids& tail = branch == &trunk ? left : right;
      all.insert(all.end(), tail.begin(), tail.end());
      HostState expected;
      absorb(e, all, {20}, &expected);
      ASSIGN_OK(const HostState actual, to_host(branch->state(), e.config()));
      expect_same_state(actual, expected, 0);
    }
  }
}

TEST_F(StateLaws, RestoreOfSnapshotIsExactAndPortable) {
  std::mt19937 random(7);
  const Ids ids = random_ids(random, 50, 512);
  HostState reference;
  absorb(engine(golden_dir("hf-tiny")), ids, {}, &reference);
  for (const std::string& plugin : plugins()) {  // taken on the first plugin, restored on each
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    ASSIGN_OK(const State restored, to_device({reference}, e.config(), e.client(), e.device()));
    ASSIGN_OK(const HostState back, to_host(restored, e.config()));
    expect_same_state(back, reference, 0);
  }
}

TEST_F(StateLaws, SizeIsIndependentOfPosition) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  ASSIGN_OK(State zero, e.zero_state());
  const std::int64_t bytes = zero.bytes();
  Session session(e, std::move(zero));
  ASSERT_OK(session.extend(Rows{Ids(700, 3)}));
  EXPECT_EQ(session.state().bytes(), bytes);
  EXPECT_EQ(session.state().positions[0], 700);
}

TEST_F(StateLaws, TokensOutsideTheVocabularyAreRefused) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  ASSIGN_OK(State zero, e.zero_state());
  Session session(e, std::move(zero));
  for (const std::int32_t id : {-1, 512}) {
    const Status status = session.extend(Rows{{1, id}});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_EQ(session.state().positions[0], 0);
}

}  // namespace
}  // namespace adder::engine
