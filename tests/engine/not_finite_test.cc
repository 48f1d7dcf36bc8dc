// Weights that are not finite, or overflow, are reported wherever a result is read, on every plugin.

#include <limits>

#include "base/testing.h"
#include "engine/snapshot.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

struct NotFinite : EngineTest {
  /// hf-tiny with one value of one tensor changed, in `dir`.
  static void write_changed(const std::filesystem::path& dir, const std::string& golden,
                            const std::string& tensor, std::size_t index, float value) {
    ASSIGN_OK(const auto source, checkpoint::Checkpoint::open(golden_dir(golden)));
    std::vector<OwnedTensor> tensors = tensors_of(source);
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const OwnedTensor& t) { return t.view.name == tensor; });
    ASSERT_NE(found, tensors.end()) << tensor;
    found->values.at(index) = value;
    std::filesystem::copy_file(golden_dir(golden) / "config.json", dir / "config.json");
    write_tensors(dir / "model.safetensors", tensors);
  }

  static void expect_reported(const Error& error, const char* text) {
    EXPECT_EQ(error.code, ErrorCode::corrupt);
    EXPECT_NE(error.message.find("infinities or NaN"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(text), std::string::npos) << error.message;
    EXPECT_NE(error.hint.find("--check"), std::string::npos) << error.hint;
  }

  /// What a generation gives after `prompt` until it fails; fails the test if it does not.
  static void generate_until_failure(const Engine& e, const Ids& prompt, GenerationOptions options,
                                     Ids* tokens, Error* error) {
    ASSIGN_OK(State zero, e.zero_state());
    Session session(e, std::move(zero));
    ASSERT_OK(session.extend(Rows{Ids(prompt.begin(), prompt.end() - 1)}));
    ASSIGN_OK(Generation generation, Generation::start(session, Rows{prompt}, options));
    while (true) {
      const auto block = generation.next();
      if (!block) {
        *error = block.error();
        EXPECT_FALSE(generation.finished());
        EXPECT_FALSE(generation.next()) << "and says so again";
        return;
      }
      ASSERT_TRUE(*block) << "ended as if nothing had happened";
      tokens->insert(tokens->end(), (*block)->tokens[0].begin(), (*block)->tokens[0].end());
    }
  }
};

struct Change {
  const char* tensor;
  std::size_t index;
  float value;
};

TEST_F(NotFinite, LogitsAreReportedByEveryReader) {
  const Ids prompt{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};
  for (const Change& change :
       {Change{"backbone.layers.1.mixer.out_proj.weight", 5, kNaN},
        Change{"backbone.layers.0.mixer.conv1d.weight", 3, kInf}, Change{"backbone.norm_f.weight", 0, -kInf},
        Change{"backbone.layers.2.mixer.A_log", 0, 200}}) {
    SCOPED_TRACE(change.tensor);
    const adder::testing::TempDirectory dir;
    write_changed(dir.path(), "hf-tiny", change.tensor, change.index, change.value);
    for (const std::string& plugin : plugins()) {
      SCOPED_TRACE(plugin);
      const Engine& e = engine(plugin, dir.path());
      for (const SamplingOptions& sampling :
           {SamplingOptions{.temperature = 0}, SamplingOptions{.temperature = 1, .seed = 3},
            SamplingOptions{.temperature = 1, .top_k = 0, .seed = 3}}) {
        Ids tokens;
        Error error;
        generate_until_failure(e, prompt, {.sampling = {sampling}, .stop_ids = {}, .max_tokens = {40}},
                               &tokens, &error);
        EXPECT_EQ(tokens, Ids{});
        expect_reported(error, "the logits at position");
      }
      ASSIGN_OK(State one, e.zero_state());
      Session scored(e, std::move(one));
      const auto scores = scored.score(prompt);
      ASSERT_FALSE(scores);
      expect_reported(scores.error(), "the logits at position");
      ASSIGN_OK(State two, e.zero_state());
      Session all(e, std::move(two));
      const auto outputs = all.extend_all(prompt);
      ASSERT_FALSE(outputs);
      expect_reported(outputs.error(), " at position ");
    }
  }
}

TEST_F(NotFinite, NarrowWeightsAreReportedToo) {
  const adder::testing::TempDirectory dir;
  write_changed(dir.path(), "hf-tiny", "backbone.layers.1.mixer.norm.weight", 5, kNaN);
  for (const std::string& plugin : plugins())
    for (const DType dtype : {DType::bf16, DType::s8}) {
      SCOPED_TRACE(plugin + " " + std::string(name(dtype)));
      Ids tokens;
      Error error;
      generate_until_failure(engine(plugin, dir.path(), dtype), {5, 6},
                             {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {40}}, &tokens,
                             &error);
      EXPECT_EQ(tokens, Ids{});
      expect_reported(error, "the logits at position 1");
    }
}

// The limits of dt must not make a number of it.
TEST_F(NotFinite, LimitsOfDtHideNothing) {
  const adder::testing::TempDirectory dir;
  write_changed(dir.path(), "limits-bias-tiny", "backbone.layers.1.mixer.dt_bias", 1, kNaN);
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    Ids tokens;
    Error error;
    generate_until_failure(engine(plugin, dir.path()), {5, 6},
                           {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {40}}, &tokens,
                           &error);
    EXPECT_EQ(tokens, Ids{});
    expect_reported(error, "the logits at position 1");
  }
}

TEST_F(NotFinite, WhatWasChosenBeforeIsGiven) {
  const std::string golden = "grouped-sharded-bf16-tiny";  // its head is not its embedding
  const Ids prompt{1, 2, 3};
  Ids free;
  generate(engine(golden_dir(golden)), prompt, {.temperature = 0}, 20, 16, &free);
  const auto bad = std::find_if(free.begin() + 2, free.end(), [&](std::int32_t id) {
    return std::find(prompt.begin(), prompt.end(), id) == prompt.end();
  });
  ASSERT_NE(bad, free.end());
  const Ids expected(free.begin(), std::find(free.begin(), free.end(), *bad) + 1);
  ASSIGN_OK(const auto source, checkpoint::Checkpoint::open(golden_dir(golden)));
  const adder::testing::TempDirectory dir;
  write_changed(dir.path(), golden, "backbone.embeddings.weight",
                static_cast<std::size_t>(*bad * source.config().d_model), kNaN);
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& e = engine(plugin, dir.path());
    for (const std::int64_t block : {1, 4, 16, 64}) {
      SCOPED_TRACE(block);
      Ids tokens;
      Error error;
      generate_until_failure(
          e, prompt, {.sampling = {{.temperature = 0}}, .stop_ids = {}, .max_tokens = {40}, .block = block},
          &tokens, &error);
      EXPECT_EQ(tokens, expected);
      expect_reported(error, ("position " + std::to_string(prompt.size() - 1 + expected.size())).c_str());
    }
  }
}

TEST_F(NotFinite, SnapshotsAreNotWritten) {
  const Engine& e = engine(golden_dir("hf-tiny"));
  Snapshot snapshot;
  absorb(e, {1, 2, 3}, {}, &snapshot.state);
  snapshot.tokens = {1, 2, 3};
  const adder::testing::TempDirectory dir;
  ASSERT_OK(write_snapshot(dir / "good", snapshot, e.model()));
  HostState::Field& field = snapshot.state.fields.at(3);
  ASSERT_EQ(field.name, "ssm_state.1");
  std::memcpy(field.bytes.data() + 7 * sizeof kNaN, &kNaN, sizeof kNaN);
  const Status written = write_snapshot(dir / "bad", snapshot, e.model());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::corrupt);
  EXPECT_NE(written.error().message.find("ssm_state.1"), std::string::npos) << written.error().message;
  EXPECT_FALSE(std::filesystem::exists(dir / "bad"));
}

}  // namespace
}  // namespace adder::engine
