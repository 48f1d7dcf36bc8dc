// What a decode block does and does not do: transfers, aliasing, memory, stopping.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <thread>

#include "engine_fixture.h"

namespace adder::engine {
namespace {

struct Decode : EngineTest {
  static std::int64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::int64_t pages = 0, resident = 0;
    statm >> pages >> resident;
    return resident * sysconf(_SC_PAGESIZE);
  }
};

TEST_F(Decode, NothingButTokenBlocksCrossesToTheHost) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    ASSIGN_OK(State zero, e.zero_state());
    Session session(e, std::move(zero));
    ASSIGN_OK(Generation generation,
              Generation::start(
                  session, Rows{{5}},
                  {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {256}, .block = 64}));
    const pjrt::StatsSnapshot before = e.client().stats();
    std::size_t tokens = 0;
    while (true) {
      ASSIGN_OK(const auto block, generation.next());
      if (!block) break;
      tokens += block->tokens[0].size();
    }
    const pjrt::StatsSnapshot during = e.client().stats() - before;
    EXPECT_EQ(tokens, 256u);
    EXPECT_EQ(during.executions, 4);
    EXPECT_EQ(during.device_to_host, 4);
    EXPECT_EQ(during.device_to_host_bytes, 256 * 4);
    EXPECT_EQ(during.host_to_device, 0);
    EXPECT_EQ(during.compilations, 0);
  }
}

TEST_F(Decode, StateIsUpdatedInPlace) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    ASSIGN_OK(const ProgramRef program, e.programs().decode({.batch = 1, .steps = 64, .sampler = {}}));
    ASSIGN_OK(const State zero, e.zero_state());
    ASSIGN_OK(const pjrt::CompiledMemoryStats stats, program->executable.memory_stats());
    EXPECT_GE(stats.aliased, zero.bytes()) << "the whole state lives in donated arguments";
    EXPECT_LT(stats.temporaries, zero.bytes()) << "and is copied nowhere";
  }
}

TEST_F(Decode, MemoryIsFlatAfterTheFirstBlock) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  ASSIGN_OK(State zero, e.zero_state());
  Session session(e, std::move(zero));
  ASSIGN_OK(Generation generation,
            Generation::start(
                session, Rows{{5}},
                {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {4096}, .block = 64}));
  ASSIGN_OK(const auto first, generation.next());
  const std::int64_t resident = resident_bytes();
  std::size_t tokens = first->tokens[0].size();
  while (true) {
    ASSIGN_OK(const auto block, generation.next());
    if (!block) break;
    tokens += block->tokens[0].size();
  }
  EXPECT_EQ(tokens, 4096u);
#ifdef __SANITIZE_ADDRESS__
  constexpr std::int64_t kMost = 300 << 20;  // which keeps up to 256 MB of what was freed
#else
  constexpr std::int64_t kMost = 8 << 20;
#endif
  EXPECT_LT(resident_bytes() - resident, kMost);  // a leak of the 112 KB state for each token would be 450 MB
}

TEST_F(Decode, BlockLengthDoesNotChangeTokens) {
  const Engine& e = engine(golden_dir("grouped-sharded-bf16-tiny"));
  for (const SamplingOptions& sampling :
       {SamplingOptions{.temperature = 0}, SamplingOptions{.temperature = 1.1, .seed = 42},
        SamplingOptions{.temperature = 1, .top_k = 0, .top_p = 0.9, .seed = 43},
        SamplingOptions{.temperature = 0, .repetition_penalty = 1.3},
        SamplingOptions{.temperature = 0.8, .frequency_penalty = 0.5, .seed = 44}}) {
    Ids blocks_of_32, blocks_of_5;
    generate(e, {1, 2, 3}, sampling, 40, 32, &blocks_of_32);
    generate(e, {1, 2, 3}, sampling, 40, 5, &blocks_of_5);
    EXPECT_EQ(blocks_of_32.size(), 40u);
    EXPECT_EQ(blocks_of_32, blocks_of_5);
  }
}

/// A generation's tokens and how many device calls it took.
struct Generated {
  Rows tokens;
  std::int64_t executions = 0;
};
void run(const Engine& e, const Rows& prompts, const GenerationOptions& options, Generated* out) {
  ASSIGN_OK(State zero, e.zero_state(static_cast<std::int64_t>(prompts.size())));
  Session session(e, std::move(zero));
  Rows heads = prompts;
  for (Ids& head : heads) head.pop_back();
  ASSERT_OK(session.extend(heads));
  ASSIGN_OK(Generation generation, Generation::start(session, prompts, options));
  out->tokens.assign(prompts.size(), {});
  const pjrt::StatsSnapshot before = e.client().stats();
  while (true) {
    ASSIGN_OK(const auto block, generation.next());
    if (!block) break;
    for (std::size_t b = 0; b < prompts.size(); ++b)
      out->tokens[b].insert(out->tokens[b].end(), block->tokens[b].begin(), block->tokens[b].end());
  }
  const pjrt::StatsSnapshot during = e.client().stats() - before;
  out->executions = during.executions;
  EXPECT_EQ(during.host_to_device, 0);
}

// With loops that may end early and without; calls of any length, of one step, and of as many as there are.
TEST_F(Decode, CallsThatAdaptChangeNoTokens) {
  using Seconds = std::chrono::duration<double>;
  const Rows prompts{{1, 2, 3}, {4}, {5, 6}};
  GenerationOptions options{
      .sampling = {{.temperature = 0}, {.temperature = 1.1, .seed = 42}, {.temperature = 0}},
      .stop_ids = {},
      .max_tokens = {37, 130, 1},
      .block = 64};
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    options.longest_call = {};
    options.open_loops = {};
    options.stop_ids = {};
    Generated fixed;
    run(e, prompts, options, &fixed);
    ASSERT_EQ(fixed.tokens[1].size(), 130u);
    EXPECT_EQ(fixed.executions, 3);
    for (const bool open : {true, false}) {
      SCOPED_TRACE(open);
      options.open_loops = open;
      Generated shortest, longest, forced;
      options.longest_call = Seconds(1e-12);
      run(e, prompts, options, &shortest);
      EXPECT_EQ(shortest.tokens, fixed.tokens);
      // Until the first speed is known two calls are under way; then every call makes one step.
      EXPECT_EQ(shortest.executions, open ? 130 : 4);
      options.longest_call = Seconds(1e12);
      run(e, prompts, options, &longest);
      EXPECT_EQ(longest.tokens, fixed.tokens);
      EXPECT_LE(longest.executions, 4);
      options.longest_call = Seconds(std::numeric_limits<double>::infinity());
      run(e, prompts, options, &forced);
      EXPECT_EQ(forced.tokens, fixed.tokens);
      EXPECT_EQ(forced.executions, 3);
    }
    // A stop id ends the loop early too, and the row as it would.
    options.open_loops = true;
    options.stop_ids = {fixed.tokens[1][20]};
    Generated stopped;
    run(e, prompts, options, &stopped);
    const auto end = std::find(fixed.tokens[1].begin(), fixed.tokens[1].end(), options.stop_ids[0]);
    EXPECT_EQ(stopped.tokens[1], Ids(fixed.tokens[1].begin(), end + 1));
  }
}

TEST_F(Decode, OneTokenIsNotABlock) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  GenerationOptions options{.sampling = {{.temperature = 0}},
                            .stop_ids = {},
                            .max_tokens = {1},
                            .block = 64,
                            .longest_call = std::chrono::duration<double>(0.25),
                            .open_loops = false};
  EXPECT_EQ(decode_spec(e, options).steps, 1);
  options.max_tokens = {20};
  EXPECT_EQ(decode_spec(e, options).steps, 16);
  options.max_tokens = {100};
  EXPECT_EQ(decode_spec(e, options).steps, 64);
  options.open_loops = true;  // ends by itself
  EXPECT_TRUE(decode_spec(e, options).open);
  EXPECT_EQ(decode_spec(e, options).steps, 64);
  options.longest_call = {};  // exactly what is asked for
  options.max_tokens = {1};
  EXPECT_EQ(decode_spec(e, options), (DecodeSpec{.batch = 1, .steps = 64, .sampler = {}}));
  EXPECT_EQ(block_lengths(64, false), (std::vector<std::int64_t>{64, 16, 4, 1}));
  EXPECT_EQ(block_lengths(5, false), (std::vector<std::int64_t>{5, 4, 1}));
  EXPECT_EQ(block_lengths(10, true), (std::vector<std::int64_t>{10, 8, 4, 2, 1}));
  EXPECT_EQ(block_lengths(1, true), (std::vector<std::int64_t>{1}));
}

// What was asked for while a prompt is absorbed is heard between its pieces, which are not all enqueued
// first.
TEST_F(Decode, APromptCanBeInterrupted) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, golden_dir("hf-tiny"));
    const Rows rows{Ids(40 * 2048, 3)};
    ASSIGN_OK(State zero, e.zero_state());
    Session session(e, std::move(zero));
    std::atomic<bool> cancel{true};
    const Status at_once = session.extend(rows, &cancel);
    ASSERT_FALSE(at_once);
    EXPECT_EQ(at_once.error().code, ErrorCode::cancelled);
    ASSIGN_OK(const auto none, session.state().positions());
    EXPECT_EQ(none[0], 0);

    cancel = false;
    const std::int64_t before = e.client().stats().executions;
    std::atomic<bool> over{false};
    std::thread watcher([&] {
      while (!over && e.client().stats().executions < before + 2) std::this_thread::yield();
      cancel = true;
    });
    const Status later = session.extend(rows, &cancel);
    over = true;
    watcher.join();
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, ErrorCode::cancelled);
    ASSIGN_OK(const auto positions, session.state().positions());
    const std::int64_t absorbed = positions[0];
    EXPECT_GE(absorbed, 2 * 2048);
    EXPECT_LT(absorbed, 40 * 2048);
    EXPECT_NE(later.error().message.find("of 81920 tokens"), std::string::npos) << later.error().message;
    // What was absorbed counts: the state is that of so many tokens.
    ASSERT_OK(session.extend(Rows{{1}}));
    ASSIGN_OK(const auto after, session.state().positions());
    EXPECT_EQ(after[0], absorbed + 1);
  }
}

TEST_F(Decode, SamplingIsTheSameOnEveryPlugin) {
  Ids reference;
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    Ids tokens;
    generate(engine(plugin, golden_dir("hf-tiny")), {7, 8}, {.temperature = 1, .seed = 5}, 24, 8, &tokens);
    if (reference.empty()) reference = tokens;
    EXPECT_EQ(tokens, reference);
  }
}

TEST_F(Decode, PenaltiesForbidRepetition) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  Ids tokens;
  generate(e, {5, 6}, {.temperature = 0, .presence_penalty = 1000}, 60, 16, &tokens);
  Ids sorted = tokens;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << "a token was generated twice";
}

struct DecodeAs : EngineTest, testing::WithParamInterface<const char*> {};
// As CUDA's row writes graphs the windows are rings while a block runs, and a row that ends stops turning.
INSTANTIATE_TEST_SUITE_P(Policies, DecodeAs, testing::Values("", "cuda"));

TEST_P(DecodeAs, StopIdsEndARowAndKeepItsState) {
  const Engine& e = engine(plugins().front(), golden_dir("hf-tiny"), DType::f32, GetParam());
  const Ids prompt{5, 6, 7};
  Ids free;
  generate(e, prompt, {.temperature = 0}, 40, 16, &free);
  const std::int32_t stop = free[9];
  const auto end = static_cast<std::size_t>(std::find(free.begin(), free.end(), stop) - free.begin());

  ASSIGN_OK(State zero, e.zero_state());
  Session session(e, std::move(zero));
  ASSERT_OK(session.extend(Rows{{5, 6}}));
  ASSIGN_OK(Generation generation,
            Generation::start(
                session, Rows{prompt},
                {.sampling = {{.temperature = 0}}, .stop_ids = {stop}, .max_tokens = {40}, .block = 16}));
  Ids tokens;
  while (true) {
    ASSIGN_OK(const auto block, generation.next());
    if (!block) break;
    tokens.insert(tokens.end(), block->tokens[0].begin(), block->tokens[0].end());
  }
  EXPECT_EQ(tokens, Ids(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(end) + 1));
  // The state has absorbed the prompt and every token but the stop itself, although the block ran on.
  Ids absorbed = prompt;
  absorbed.insert(absorbed.end(), tokens.begin(), tokens.end() - 1);
  HostState expected;
  absorb(e, absorbed, std::vector<std::size_t>(absorbed.size(), 1), &expected);
  ASSIGN_OK(const HostState actual, to_host(e.states(), session.state(), e.model()));
  EXPECT_EQ(actual.position, expected.position);
  for (const HostState::Field& field : actual.fields) {
    const Difference d = difference(actual.floats(field.name), expected.floats(field.name));
    EXPECT_LE(d.max, 2e-5 * d.scale) << field.name;
  }
}

TEST_F(Decode, BadRequestsAreRefused) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  ASSIGN_OK(State zero, e.zero_state());
  Session session(e, std::move(zero));
  const auto refused = [&](const Rows& prompts, const GenerationOptions& options, const char* text) {
    const auto started = Generation::start(session, prompts, options);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find(text), std::string::npos) << started.error().message;
  };
  const GenerationOptions good{
      .sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {4}, .block = 4};
  refused({{}}, good, "prompt is empty");
  refused({{512}}, good, "outside the vocabulary");
  refused({{1}, {2}}, good, "2 prompts for a batch of 1");
  GenerationOptions bad = good;
  bad.sampling[0].top_p = 2;
  refused({{1}}, bad, "top_p");
  bad = good;
  bad.longest_call = std::chrono::duration<double>(0);
  refused({{1}}, bad, "longest_call");
  bad = good;
  bad.block = 0;
  refused({{1}}, bad, "block");
}

}  // namespace
}  // namespace adder::engine
