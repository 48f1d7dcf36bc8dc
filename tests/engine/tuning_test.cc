// Autotuning: what is measured is remembered, by one process at a time; nothing in it is a reason not to run.

#include "engine/tuning.h"
#include "engine/platform.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <thread>

#include "../op/op_fixture.h"
#include "arch/testing.h"
#include "base/file_lock.h"
#include "base/testing.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

using adder::testing::read_file;
using adder::testing::TempDirectory;
using ::testing::HasSubstr;

struct TuningTest : op::OpTest {
  /// Products of 256 KiB and more in f32; in int8 the head alone.
  static ModelSpec small_model(DType dtype) {
    const auto config = arch::testing::mamba2_of({.d_model = 320,
                                                  .n_layer = 2,
                                                  .d_state = 16,
                                                  .head_dim = 32,
                                                  .n_heads = 20,
                                                  .vocab_size = 1024,
                                                  .rows = 1024});
    return *model::make_spec(config, platform_policy("cpu").model, dtype);
  }
  /// A test must not depend on how busy the machine is.
  static TuningOptions options(const TempDirectory& folder) {
    TuningOptions out;
    out.folder = folder.path();
    out.least_bytes = 0;
    out.most_spread = std::numeric_limits<double>::infinity();
    out.patience = std::chrono::hours(1);
    return out;
  }
  static Result<Tuning> tune_on(const pjrt::Client& client, DType dtype, const TuningOptions& options) {
    return tune(client, client.default_device(), small_model(dtype), {}, options);
  }
};

struct Heard : LogSink {
  bool enabled(LogLevel) const override { return true; }
  void log(LogLevel level, std::string_view message) override {
    const std::lock_guard lock(mutex);
    lines += std::string(name(level)) + ": " + std::string(message) + "\n";
  }
  std::mutex mutex;
  std::string lines;
};

struct Labels : Steps {
  void begin_steps(std::uint64_t n, std::string_view label) override {
    labels += std::string(label) + "\n";
    total += n;
  }
  void advance_steps(std::uint64_t n) override { done += n; }
  void end_steps() override {}
  std::string labels;
  std::uint64_t total = 0, done = 0;
};

TEST_F(TuningTest, MeasuresOnceAndRemembers) {
  const TempDirectory folder;
  for (const auto& [plugin, client] : clients()) {
    for (const DType dtype : {DType::f32, DType::s8}) {
      SCOPED_TRACE(plugin);
      ASSIGN_OK(const Tuning first, tune_on(client, dtype, options(folder)));
      EXPECT_EQ(first.choice.size(), dtype == DType::f32 ? 4U : 1U);
      EXPECT_GT(first.ms, 0);
      const std::string written = read_file(folder / "tuning.json");
      ASSIGN_OK(const Tuning second, tune_on(client, dtype, options(folder)));
      EXPECT_EQ(read_file(folder / "tuning.json"), written);
      ASSERT_EQ(second.choice.size(), first.choice.size());
      for (const auto& [product, spelling] : first.choice)
        EXPECT_EQ(second.choice.at(product).name, spelling.name);
    }
  }
  const TuningFile file(folder.path());
  ASSERT_EQ(file.entries().size(), 5 * clients().size());
  for (const TunedProduct& e : file.entries()) EXPECT_TRUE(e.microseconds.count(e.chosen)) << e.product;
}

TEST_F(TuningTest, MeasuresEachNumberOfRowsThatDecodesTogether) {
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    const TempDirectory folder;
    TuningOptions how = options(folder);
    how.rows = {1, 8, 64, 8};
    ASSIGN_OK(const Tuning tuning, tune_on(client, DType::s8, how));
    ASSERT_EQ(tuning.choice.size(), 2U) << "64 rows are bound by arithmetic";
    const model::Spelling& eight = tuning.choice.at("8 x s8[1024,320]");
    EXPECT_EQ(eight.terms, 0) << "lane by lane is for one row";
    EXPECT_TRUE(tuning.choice.contains("s8[1024,320]"));
    EXPECT_EQ(TuningFile(folder.path()).entries().size(), 2U);
  }
}

TEST_F(TuningTest, SaysHowFarItIs) {
  const TempDirectory folder;
  Labels labels;
  TuningOptions how = options(folder);
  how.steps = &labels;
  ASSIGN_OK(const Tuning tuning, tune_on(clients().front().second, DType::s8, how));
  EXPECT_EQ(labels.labels, "autotuning s8[1024,320] (1 of 1), once for this machine\n");
  EXPECT_EQ(labels.done, labels.total);
}

// The embedded model's first run took six seconds longer, for less than a second in a hundred thousand
// tokens.
TEST_F(TuningTest, AModelThatFitsInACacheIsLeftToThePolicy) {
  const TempDirectory folder;
  TuningOptions how = options(folder);
  how.least_bytes = TuningOptions().least_bytes;
  ASSIGN_OK(const Tuning tuning, tune_on(clients().front().second, DType::f32, how));
  EXPECT_TRUE(tuning.choice.empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// Ctrl-C was heard after ten to eighteen seconds.
TEST_F(TuningTest, StopsBetweenOneRunAndTheNext) {
  const auto& client = clients().front().second;
  const TempDirectory folder;
  TuningOptions how = options(folder);
  const auto before = client.stats();
  how.cancelled = [] { return true; };
  const auto at_once = tune_on(client, DType::f32, how);
  ASSERT_FALSE(at_once);
  EXPECT_EQ(at_once.error().code, ErrorCode::cancelled);
  EXPECT_EQ((client.stats() - before).compilations, 0);
  how.cancelled = [&] { return (client.stats() - before).executions > 5; };
  const auto later = tune_on(client, DType::f32, how);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::cancelled);
  EXPECT_EQ((client.stats() - before).executions, 6);
}

// Ten first runs at once tuned ten ways.
TEST_F(TuningTest, WhoComesSecondWaitsAndTakesTheFirstOnesAnswers) {
  const auto& client = clients().front().second;
  const TempDirectory folder;
  std::vector<std::thread> threads;
  std::vector<Result<Tuning>> found(3, Result<Tuning>(Tuning()));
  std::atomic<int> measured{0};
  std::vector<Labels> labels(3);
  for (std::size_t i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      TuningOptions how = options(folder);
      how.steps = &labels[i];
      found[i] = tune_on(client, DType::s8, how);
      if (labels[i].labels.find("autotuning s8") != std::string::npos) ++measured;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(measured, 1);
  for (const auto& tuning : found) {
    ASSERT_OK(tuning);
    EXPECT_EQ(tuning->choice.at("s8[1024,320]").name, found[0]->choice.at("s8[1024,320]").name);
  }
}

TEST_F(TuningTest, WaitingCanBeStopped) {
  const TempDirectory folder;
  const auto held = FileLock::try_acquire(tuning_lock(folder.path()));
  ASSERT_TRUE(held && *held);
  TuningOptions how = options(folder);
  Labels labels;
  how.steps = &labels;
  std::atomic<int> asked{0};
  how.cancelled = [&] { return ++asked > 2; };
  const auto stopped = tune_on(clients().front().second, DType::s8, how);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(labels.labels, "waiting for another adder, which is autotuning\n");
}

// On a busy machine luck chose, and was kept for ever.
TEST_F(TuningTest, TimesThatDisagreeServeOneRun) {
  const auto& client = clients().front().second;
  const TempDirectory folder;
  TuningOptions noisy = options(folder);
  noisy.most_spread = 0;
  Heard heard;
  noisy.log = &heard;
  for (int run = 1; run <= TuningOptions::kMostUnsteady; ++run) {
    ASSIGN_OK(const Tuning tuning, tune_on(client, DType::s8, noisy));
    EXPECT_EQ(tuning.choice.size(), 1U) << "it serves this run";
    const TuningFile file(folder.path());
    ASSERT_EQ(file.entries().size(), 1U);
    EXPECT_EQ(file.entries()[0].chosen, "");
    EXPECT_EQ(file.entries()[0].unsteady, run);
  }
  EXPECT_THAT(heard.lines, HasSubstr("warn: autotuning: the machine has other work to do"));
  // Enough tried: no first run for ever.
  const auto before = client.stats();
  ASSIGN_OK(const Tuning given_up, tune_on(client, DType::s8, noisy));
  EXPECT_TRUE(given_up.choice.empty());
  EXPECT_EQ((client.stats() - before).compilations, 0);
  // Asked for, it is measured all the same; what was measured in peace is not lost to a busy moment.
  TuningOptions quiet = options(folder);
  quiet.again = true;
  ASSERT_OK(tune_on(client, DType::s8, quiet));
  const std::string kept = read_file(folder / "tuning.json");
  EXPECT_EQ(TuningFile(folder.path()).entries()[0].unsteady, 0);
  noisy.again = true;
  ASSERT_OK(tune_on(client, DType::s8, noisy));
  EXPECT_EQ(read_file(folder / "tuning.json"), kept);
}

// A failure in it failed the whole run.
TEST_F(TuningTest, NothingInItIsAReasonNotToRun) {
  const auto& client = clients().front().second;
  const TempDirectory folder;
  std::ofstream(folder / "file") << "no folder";
  TuningOptions how = options(folder);
  how.folder = folder / "file";
  Heard heard;
  how.log = &heard;
  ASSIGN_OK(const Tuning unwritable, tune_on(client, DType::s8, how));
  EXPECT_EQ(unwritable.choice.size(), 1U);
  EXPECT_THAT(heard.lines, HasSubstr("warn: autotuning is not remembered: "));
  // No variant compiles.
  how = options(folder);
  how.log = &heard;
  pjrt::CompileOptions wrong;
  wrong.flags["xla_no_such_flag"] = true;
  ASSIGN_OK(const Tuning none, tune(client, client.default_device(), small_model(DType::s8), wrong, how));
  EXPECT_TRUE(none.choice.empty());
  EXPECT_THAT(heard.lines, HasSubstr("info: autotuning: kernel variant plain of s8[1024,320] is left out: "));
  EXPECT_THAT(heard.lines, HasSubstr("s8[1024,320] cannot be measured: no kernel variant runs"));
}

// A plugin at another place, or touched, was another plugin.
TEST_F(TuningTest, APluginIsKnownByItsContent) {
  const std::string path = clients().front().first;
  const TempDirectory folder, elsewhere;
  ASSIGN_OK(const Tuning first, tune_on(clients().front().second, DType::s8, options(folder)));
  std::filesystem::copy_file(path, elsewhere / "copy.so");
  ASSIGN_OK(const pjrt::Plugin plugin, pjrt::Plugin::open(elsewhere / "copy.so"));
  ASSIGN_OK(const pjrt::Client copy, pjrt::Client::create(plugin));
  const auto before = copy.stats();
  ASSIGN_OK(const Tuning second, tune_on(copy, DType::s8, options(folder)));
  EXPECT_EQ((copy.stats() - before).compilations, 0);
  EXPECT_EQ(second.choice.size(), 1U);
}

TEST(Decide, TakesTheFastestThatIsWorthwhile) {
  const VariantTimes own{"own", {10, 10, 10, 10}}, close{"close", {9.8, 9.8, 9.8, 9.8}};
  const VariantTimes fast{"fast", {5, 5, 5, 5}};
  EXPECT_EQ(decide({own, close}, "own", 1.25).chosen, "own");
  EXPECT_EQ(decide({own, close, fast}, "own", 1.25).chosen, "fast");
  EXPECT_EQ(decide({close, fast}, "own", 1.25).chosen, "fast") << "the policy's own was dropped";
  EXPECT_TRUE(decide({own, fast}, "own", 1.25).steady);
}

TEST(Decide, OneSlowRoundIsNothingButHalfOfThemAreNoise) {
  const VariantTimes calm{"calm", {10, 10, 10, 10, 10, 10, 10, 90}},
      own{"own", {20, 20, 20, 20, 20, 20, 20, 20}};
  const VariantTimes wild{"wild", {5, 5, 5, 9, 9, 9, 9, 9}};
  EXPECT_TRUE(decide({calm, own}, "own", 1.25).steady);
  EXPECT_FALSE(decide({calm, own, wild}, "own", 1.25).steady) << "the fastest is not sure";
  EXPECT_FALSE(decide({calm, wild}, "wild", 1.25).steady) << "what it is held against is not sure";
  EXPECT_TRUE(decide({calm, own, {"slow", {30, 30, 30, 90, 90, 90, 90, 90}}}, "own", 1.25).steady);
}

TEST(TuningFile, ADamagedFileHoldsNothingAndIsReplaced) {
  const TempDirectory folder;
  ASSERT_OK(TuningFile(folder.path() / "not" / "there").save());
  for (const char* text :
       {"", "[]", "{\"version\":1,\"entries\":[]}", "{\"version\":2,\"entries\":[1,{}]}"}) {
    std::ofstream(folder.path() / "tuning.json") << text;
    TuningFile file(folder.path());
    EXPECT_TRUE(file.entries().empty()) << text;
    file.put({"c", "d", "p", "plain", {{"plain", 1.5}}});
    file.put({"c", "d", "p", "parts4", {{"parts4", 1.0}}});
    file.put({"c", "d", "q", "", {{"parts4", 1.0}}, 2});
    ASSERT_OK(file.save());
    const TuningFile again(folder.path());
    EXPECT_EQ(again.entries(), file.entries());
    ASSERT_EQ(again.entries().size(), 2U);
    EXPECT_EQ(again.find("c", "p")->chosen, "parts4");
    EXPECT_EQ(again.find("other", "p"), nullptr);
  }
}

}  // namespace
}  // namespace adder::engine
