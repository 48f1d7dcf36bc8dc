// What a checkpoint's layout may not change: the logits, and that padding is no part of the vocabulary.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "arch/mamba2.h"
#include "base/json.h"
#include "base/testing.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

using adder::testing::TempDirectory;
using adder::testing::write_file;

AllOutputs forward(const Engine& engine, const Ids& ids) {
  AllOutputs out;
  const auto run = [&] {
    ASSIGN_OK(State zero, engine.zero_state());
    Session session(engine, std::move(zero));
    ASSIGN_OK(out, session.extend_all(ids));
  };
  run();
  return out;
}

struct Layouts : EngineTest {};

TEST_F(Layouts, MistralsOwnGivesTheSameLogits) {
  for (const char* name : {"hf-tiny", "grouped-sharded-bf16-tiny"}) {
    SCOPED_TRACE(name);
    const Engine& original = engine(golden_dir(name));
    const auto& c = dynamic_cast<const arch::Mamba2&>(original.checkpoint().config());
    const TempDirectory dir;
    write_file(dir / "params.json", Json{{"dim", c.d_model},
                                         {"n_layers", c.n_layer},
                                         {"vocab_size", c.vocab_size},
                                         {"n_groups", c.n_groups},
                                         {"rms_norm", true},
                                         {"pad_vocab_size_multiple", 1},
                                         {"tie_embeddings", c.tie_embeddings},
                                         {"model_type", "mamba"}}
                                        .dump());
    std::vector<OwnedTensor> tensors = tensors_of(original.checkpoint());
    for (OwnedTensor& t : tensors)
      t.view.name = t.view.name == "backbone.embeddings.weight" ? "model.backbone.embedding.weight"
                                                                : "model." + t.view.name;
    write_tensors(dir / "consolidated.safetensors", tensors);
    const Engine& mistral = engine(dir.path());
    ASSERT_EQ(mistral.checkpoint().config().dialect, arch::Dialect::mistral);
    const Ids ids = Golden(name).ids("input_ids");
    EXPECT_EQ(forward(mistral, ids).logits, forward(original, ids).logits);
  }
}

std::vector<std::vector<float>> to_host(const Weights& weights) {
  std::vector<std::vector<float>> out;
  for (const pjrt::Buffer& buffer : weights) {
    auto values = buffer.to_host<float>();
    EXPECT_TRUE(values);
    if (values) out.push_back(*std::move(values));
  }
  return out;
}

bool is_mapped(const std::filesystem::path& file) {
  std::ifstream maps("/proc/self/maps");
  const std::string all(std::istreambuf_iterator<char>(maps), {});
  return all.find(file.string()) != std::string::npos;
}

// One file as Adder writes it, whose tensors are aligned, and one whose data start 4 bytes later.
TEST_F(Layouts, WeightsUsedInPlaceAreThoseThatACopyHas) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& original = engine(plugin, golden_dir("mamba-ssm-tiny"));
    const bool cpu = original.client().platform_name() == "cpu";
    std::vector<OwnedTensor> tensors = tensors_of(original.checkpoint());
    const TempDirectory dir;
    const auto load = [&](const std::string& name, bool shifted, Weights* out) {
      const auto file = dir / name / "model.safetensors";
      std::filesystem::create_directories(file.parent_path());
      std::filesystem::copy_file(golden_dir("mamba-ssm-tiny") / "config.json",
                                 file.parent_path() / "config.json");
      write_tensors(file, tensors);
      if (shifted) {
        std::string bytes = testing::read_file(file);
        std::uint64_t header = 0;
        std::memcpy(&header, bytes.data(), sizeof header);
        bytes.insert(sizeof header + header, 4, ' ');
        header += 4;
        std::memcpy(bytes.data(), &header, sizeof header);
        write_file(file, bytes);
      }
      {
        ASSIGN_OK(const auto checkpoint, checkpoint::Checkpoint::open(file.parent_path(), null_log()));
        ASSIGN_OK(*out, load_weights(checkpoint, original.programs().model(), original.client(),
                                     original.device(), null_progress()));
      }
      EXPECT_EQ(is_mapped(file), cpu && !shifted) << "after the checkpoint is closed";
    };
    Weights in_place, copied;
    load("aligned", false, &in_place);
    load("shifted", true, &copied);
    const auto expected = to_host(original.weights());
    ASSERT_GT(expected.size(), 10u);
    EXPECT_EQ(to_host(in_place), expected);
    EXPECT_EQ(to_host(copied), expected);
  }
}

struct Padding : EngineTest {
  /// Tokens of 64 steps and their log probabilities.
  static void draw(const Engine& engine, const SamplingOptions& sampling, Ids* tokens,
                   std::vector<float>* logprobs) {
    ASSIGN_OK(State zero, engine.zero_state());
    Session session(engine, std::move(zero));
    ASSIGN_OK(
        Generation generation,
        Generation::start(
            session, Rows{{5}},
            {.sampling = {sampling}, .stop_ids = {}, .max_tokens = {64}, .block = 16, .logprobs = true}));
    while (true) {
      ASSIGN_OK(const auto block, generation.next());
      if (!block) return;
      tokens->insert(tokens->end(), block->tokens[0].begin(), block->tokens[0].end());
      logprobs->insert(logprobs->end(), block->logprobs[0].begin(), block->logprobs[0].end());
    }
  }
};

// Rows 501 to 511 of the embedding belong to no token. Filled so that, for any hidden state, one of them has
// by far the largest logit, they must change nothing.
TEST_F(Padding, PaddedIdsAreNeitherChosenNorScored) {
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& original = engine(plugin, golden_dir("mamba-ssm-tiny"));
    const auto& c = dynamic_cast<const arch::Mamba2&>(original.checkpoint().config());
    ASSERT_LT(c.vocab_size + 2, c.padded_vocab_size);
    const TempDirectory dir;
    std::filesystem::copy_file(golden_dir("mamba-ssm-tiny") / "config.json", dir / "config.json");
    std::vector<OwnedTensor> tensors = tensors_of(original.checkpoint());
    const auto width = static_cast<std::size_t>(c.d_model);
    for (auto row = static_cast<std::size_t>(c.vocab_size);
         row < static_cast<std::size_t>(c.padded_vocab_size); ++row)
      for (std::size_t i = 0; i < width; ++i)
        tensors[0].values[row * width + i] =
            (row % 2 == 0 ? 1000.0F : -1000.0F) * tensors[0].values[row / 2 * width + i];
    write_tensors(dir / "model.safetensors", tensors);
    const Engine& loud = engine(plugin, dir.path());
    const std::vector<float> logits = forward(loud, {5}).logits;
    ASSERT_GE(std::max_element(logits.begin(), logits.end()) - logits.begin(), c.vocab_size)
        << "this test would show nothing";
    for (const SamplingOptions& sampling :
         {SamplingOptions{.temperature = 0}, SamplingOptions{.temperature = 5, .top_k = 0, .seed = 3}}) {
      Ids expected, actual;
      std::vector<float> expected_logprobs, actual_logprobs;
      draw(original, sampling, &expected, &expected_logprobs);
      draw(loud, sampling, &actual, &actual_logprobs);
      EXPECT_EQ(actual.size(), 64u);
      EXPECT_LT(*std::max_element(actual.begin(), actual.end()), c.vocab_size);
      EXPECT_EQ(actual, expected);
      EXPECT_EQ(actual_logprobs, expected_logprobs);
    }
  }
}

}  // namespace
}  // namespace adder::engine
