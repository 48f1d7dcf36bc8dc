// The state laws of docs/STATE.md, on every plugin.

#include <fmt/format.h>
#include <rapidcheck.h>

#include <functional>

#include "base/testing.h"
#include "checkpoint/model_fingerprint.h"
#include "engine/snapshot.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

constexpr const char* kModels[] = {"hf-tiny", "grouped-sharded-bf16-tiny", "odd-shapes-f16-tiny",
                                   "falcon-mamba-tiny"};
constexpr double kRounding = 2e-5;  ///< of a state's largest value: what docs/STATE.md calls float32 rounding

/// What differs between two states; empty if nothing does by more than `relative` of the largest.
std::string differences(const HostState& a, const HostState& b, double relative) {
  if (a.fields.size() != b.fields.size()) return "another number of fields";
  std::string out;
  if (a.position != b.position) out += fmt::format("position {} and {}; ", a.position, b.position);
  for (const HostState::Field& field : a.fields) {
    const Difference d = difference(a.floats(field.name), b.floats(field.name));
    if (d.max > relative * d.scale) out += fmt::format("{} by {} of {}; ", field.name, d.max, d.scale);
  }
  return out;
}

HostState absorbed(const Engine& e, const Ids& ids, const std::vector<std::size_t>& split = {}) {
  HostState out;
  absorb(e, ids, split, &out);
  return out;
}

rc::Gen<Ids> some_ids(std::size_t n, const Engine& e) {
  return rc::gen::container<Ids>(
      n, rc::gen::inRange<std::int32_t>(0, static_cast<std::int32_t>(e.config().vocab_size)));
}

/// Mostly short pieces, some of the lengths around the ladder's.
rc::Gen<std::vector<std::size_t>> some_split() {
  return rc::gen::container<std::vector<std::size_t>>(
      rc::gen::weightedOneOf<std::size_t>({{3, rc::gen::inRange<std::size_t>(1, 5)},
                                           {2, rc::gen::inRange<std::size_t>(1, 140)},
                                           {1, rc::gen::element<std::size_t>(15, 16, 17, 127, 128, 129)}}));
}

std::size_t some_length(std::size_t below) { return *rc::gen::inRange<std::size_t>(1, below); }

struct StateLaws : EngineTest {
  /// Checks a property for each plugin, with models drawn from kModels.
  static void on_every_plugin(const std::function<void(const Engine&)>& property) {
    for (const std::string& plugin : plugins()) {
      SCOPED_TRACE(plugin);
      EXPECT_TRUE(rc::check([&] {
        const char* model =
            *rc::gen::elementOf(std::vector<const char*>(std::begin(kModels), std::end(kModels)));
        RC_LOG() << model << "\n";
        property(engine(plugin, golden_dir(model)));
      }));
    }
  }
};

TEST_F(StateLaws, Split) {
  on_every_plugin([](const Engine& e) {
    const Ids ids = *some_ids(some_length(300), e);
    const auto split = *some_split();
    RC_ASSERT(differences(absorbed(e, ids, split), absorbed(e, ids), kRounding) == "");
  });
}

TEST_F(StateLaws, SplitIntoSingleTokens) {
  on_every_plugin([](const Engine& e) {
    const Ids ids = *some_ids(some_length(40), e);
    const std::vector<std::size_t> singles(ids.size(), 1);
    RC_ASSERT(differences(absorbed(e, ids, singles), absorbed(e, ids), kRounding) == "");
  });
}

TEST_F(StateLaws, EveryShortLength) {
  // Prompts shorter than the convolution window, and around the ladder's first rungs.
  for (const std::string& plugin : plugins()) {
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    for (std::size_t n = 1; n <= 35; ++n) {
      SCOPED_TRACE(plugin + " " + std::to_string(n));
      Ids ids;
      for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 197 + 31) % 512));
      EXPECT_EQ(differences(absorbed(e, ids, std::vector<std::size_t>(n, 1)), absorbed(e, ids), kRounding),
                "");
    }
  }
}

TEST_F(StateLaws, Batch) {
  on_every_plugin([](const Engine& e) {
    constexpr std::int64_t kRows = 5;  // one batch size, few programs
    Rows rows;
    for (std::int64_t b = 0; b < kRows; ++b)
      rows.push_back(*some_ids(*rc::gen::element<std::size_t>(0, 1, 2, 5, 16, 40, 129, 200), e));
    auto zero = e.zero_state(kRows);
    RC_ASSERT(zero.has_value());
    Session session(e, *std::move(zero));
    RC_ASSERT(session.extend(rows).has_value());
    for (std::size_t b = 0; b < rows.size(); ++b) {
      const auto together = to_host(e.states(), session.state(), e.model(), static_cast<std::int64_t>(b));
      RC_ASSERT(together.has_value());
      RC_ASSERT(differences(*together, absorbed(e, rows[b]), kRounding) == "");
    }
  });
}

struct StateLawsAs : StateLaws, ::testing::WithParamInterface<const char*> {};
// As CUDA's row writes graphs the windows are rings while a block runs, each row's at its own place.
INSTANTIATE_TEST_SUITE_P(Policies, StateLawsAs, ::testing::Values("", "cuda"));

TEST_P(StateLawsAs, RowsOfABatchGenerateAsAlone) {
  const std::vector<SamplingOptions> sampling{
      {.temperature = 0}, {.temperature = 0.9, .seed = 3}, {.temperature = 1.2, .top_k = 0, .seed = 4}};
  const std::int64_t lengths[] = {20, 33, 7};
  const Rows prompts{{7, 300, 2, 450, 51, 6}, {8, 9}, Ids(30, 77)};
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"), DType::f32, GetParam());
    ASSIGN_OK(State zero, e.zero_state(3));
    Session session(e, std::move(zero));
    Rows heads = prompts;
    for (Ids& head : heads) head.pop_back();
    ASSERT_OK(session.extend(heads));
    ASSIGN_OK(
        Generation generation,
        Generation::start(session, prompts,
                          {.sampling = sampling, .stop_ids = {}, .max_tokens = {20, 33, 7}, .block = 8}));
    Rows together(3);
    while (true) {
      ASSIGN_OK(const auto block, generation.next());
      if (!block) break;
      for (std::size_t b = 0; b < 3; ++b)
        together[b].insert(together[b].end(), block->tokens[b].begin(), block->tokens[b].end());
    }
    for (std::size_t b = 0; b < 3; ++b) {
      Ids alone;
      generate(e, prompts[b], sampling[b], lengths[b], 8, &alone);
      EXPECT_EQ(together[b], alone) << "row " << b;
    }
  }
}

TEST_F(StateLaws, Clone) {
  on_every_plugin([](const Engine& e) {
    const Ids first = *some_ids(some_length(40), e);
    const Ids tails[] = {*some_ids(some_length(20), e), *some_ids(some_length(20), e)};
    auto zero = e.zero_state();
    RC_ASSERT(zero.has_value());
    Session trunk(e, *std::move(zero));
    RC_ASSERT(trunk.extend(Rows{first}).has_value());
    auto copy = trunk.state().clone(e.device());
    RC_ASSERT(copy.has_value());
    Session fork(e, *std::move(copy));
    Session* branches[] = {&trunk, &fork};
    for (std::size_t i = 0; i < 2; ++i) RC_ASSERT(branches[i]->extend(Rows{tails[i]}).has_value());
    for (std::size_t i = 0; i < 2; ++i) {
      Ids all = first;
      all.insert(all.end(), tails[i].begin(), tails[i].end());
      const auto actual = to_host(e.states(), branches[i]->state(), e.model());
      RC_ASSERT(actual.has_value());
      RC_ASSERT(differences(*actual, absorbed(e, all, {first.size()}), 0) == "");
    }
  });
}

// Taken on each plugin, restored on each from the file: the same bits. Continued where it was taken, the same
// bits as without the file; elsewhere, to rounding.
TEST_F(StateLaws, RestoredSnapshot) {
  const adder::testing::TempDirectory dir;
  const Ids ids(50, 17), tail{5, 6, 7, 8, 9};
  Ids all = ids;
  all.insert(all.end(), tail.begin(), tail.end());
  for (const std::string& from : plugins())
    for (const std::string& to : plugins()) {
      SCOPED_TRACE(from + " to " + to);
      const Engine &writer = engine(from, golden_dir("hf-tiny")), &reader = engine(to, golden_dir("hf-tiny"));
      const std::uint64_t fingerprint = checkpoint::fingerprint_of(writer.checkpoint()).value();
      const Snapshot taken{.state = absorbed(writer, ids), .tokens = ids, .fingerprint = fingerprint};
      ASSERT_OK(write_snapshot(dir / "state", taken, writer.model()));
      ASSIGN_OK(const Snapshot read, read_snapshot(dir / "state", reader.model(), fingerprint));
      ASSIGN_OK(State restored,
                to_device({read.state}, reader.states(), reader.model(), reader.client(), reader.device()));
      ASSIGN_OK(const HostState back, to_host(reader.states(), restored, reader.model()));
      EXPECT_EQ(differences(back, taken.state, 0), "");
      Session session(reader, std::move(restored));
      ASSERT_OK(session.extend(Rows{tail}));
      ASSIGN_OK(const HostState continued, to_host(reader.states(), session.state(), reader.model()));
      EXPECT_EQ(differences(continued, absorbed(writer, all, {ids.size()}), from == to ? 0 : kRounding), "");
    }
}

TEST_F(StateLaws, Size) {
  for (const std::string& plugin : plugins()) {
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    ASSIGN_OK(State zero, e.zero_state());
    const std::int64_t bytes = zero.bytes();
    Session session(e, std::move(zero));
    ASSERT_OK(session.extend(Rows{Ids(700, 3)}));
    EXPECT_EQ(session.state().bytes(), bytes);
    ASSIGN_OK(const auto positions, session.state().positions());
    EXPECT_EQ(positions[0], 700);
    ASSIGN_OK(const HostState held, to_host(e.states(), session.state(), e.model()));
    std::size_t held_bytes = sizeof(std::int32_t);  // of the position
    for (const HostState::Field& field : held.fields) held_bytes += field.bytes.size();
    EXPECT_EQ(static_cast<std::int64_t>(held_bytes), bytes);
  }
}

TEST_F(StateLaws, Pending) {
  on_every_plugin([](const Engine& e) {
    const Ids prompt = *some_ids(some_length(20), e);
    const auto n = static_cast<std::int64_t>(some_length(20));
    auto zero = e.zero_state();
    RC_ASSERT(zero.has_value());
    Session session(e, *std::move(zero));
    RC_ASSERT(session.extend(Rows{Ids(prompt.begin(), prompt.end() - 1)}).has_value());
    auto generation =
        Generation::start(session, Rows{prompt},
                          {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {n}, .block = 8});
    RC_ASSERT(generation.has_value());
    Ids all = prompt;
    while (true) {
      const auto block = generation->next();
      RC_ASSERT(block.has_value());
      if (!*block) break;
      all.insert(all.end(), (*block)->tokens[0].begin(), (*block)->tokens[0].end());
    }
    RC_ASSERT(all.size() == prompt.size() + static_cast<std::size_t>(n));
    all.pop_back();  // chosen, not absorbed
    const auto actual = to_host(e.states(), session.state(), e.model());
    RC_ASSERT(actual.has_value());
    RC_ASSERT(differences(*actual, absorbed(e, all), kRounding) == "");
  });
}

// A stop string, a cancel or a dropped generation leaves blocks on the device that nobody has read. At each
// block boundary the state is either what its reader has seen, and can be kept, or is refused.
TEST_F(StateLaws, AStateThatHasRunAheadIsNotKept) {
  const adder::testing::TempDirectory dir;
  const Ids prompt{5, 6, 7, 8, 9};
  for (const std::string& plugin : plugins())
    for (const std::int64_t in_flight : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("{}, {} blocks in flight", plugin, in_flight));
      const Engine& e = engine(plugin, golden_dir("hf-tiny"));
      ASSIGN_OK(State zero, e.zero_state());
      Session session(e, std::move(zero));
      ASSERT_OK(session.extend(Rows{Ids(prompt.begin(), prompt.end() - 1)}));
      ASSIGN_OK(Generation generation, Generation::start(session, Rows{prompt},
                                                         {.sampling = {{.temperature = 0}},
                                                          .stop_ids = {},
                                                          .max_tokens = {24},
                                                          .block = 4,
                                                          .in_flight = in_flight}));
      Ids seen = prompt;
      std::int64_t refusals = 0;
      while (true) {
        ASSIGN_OK(const auto block, generation.next());
        if (!block) break;
        seen.insert(seen.end(), block->tokens[0].begin(), block->tokens[0].end());
        Snapshot snapshot{.tokens = Ids(seen.begin(), seen.end() - 1)};  // the last is chosen, not absorbed
        ASSIGN_OK(snapshot.state, to_host(e.states(), session.state(), e.model()));
        const auto read = static_cast<std::int64_t>(snapshot.tokens.size());
        const Status written = write_snapshot(dir / "state", snapshot, e.model());
        if (snapshot.state.position == read) {
          ASSERT_OK(written);
          EXPECT_EQ(differences(snapshot.state, absorbed(e, snapshot.tokens), kRounding), "");
          continue;
        }
        ++refusals;
        EXPECT_GT(snapshot.state.position, read);
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, ErrorCode::failed_precondition);
      }
      EXPECT_EQ(seen.size(), prompt.size() + 24);
      EXPECT_EQ(refusals > 0, in_flight > 1) << "one block at a time never runs ahead";
    }
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
  ASSIGN_OK(const auto positions, session.state().positions());
  EXPECT_EQ(positions, (std::vector<std::int64_t>{0}));
}

}  // namespace
}  // namespace adder::engine
