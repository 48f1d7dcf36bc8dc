#include <signal.h>

#include <algorithm>
#include <fstream>

#include "base/testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr const char* kPrompt = "It is a truth universally acknowledged,";

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

Json expected_text() {
  auto json = read_json_file(demo_model() / "expected.json");
  return json ? *std::move(json) : Json();
}

class Generate : public CliTest {
 protected:
  void SetUp() override { need_plugin(); }
  /// Arguments for the embedded model, its prompt, greedy.
  static std::vector<std::string> greedy(const std::vector<std::string>& more) {
    std::vector<std::string> words{"generate", "-m", demo_model(), "--dtype", "f32",
                                   "--temp",   "0",  "-p",         kPrompt};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

class GreedyTokens : public CliTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(GreedyTokens, AreTheReferences) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const Tensors expected(golden(GetParam()) / "expected.safetensors");
  const Json result = json({"generate", "-m", golden(GetParam()), "--dtype", "f32", "--ids",
                            joined(expected.ids("greedy_prompt")), "-n", "64", "--temp", "0"});
  EXPECT_EQ(result["ids"], expected.ids("greedy_tokens"));
  EXPECT_EQ(result["prompt_ids"], expected.ids("greedy_prompt"));
  EXPECT_EQ(result["text"], nullptr);
  EXPECT_EQ(result["finish_reason"], "length");
}

INSTANTIATE_TEST_SUITE_P(Goldens, GreedyTokens, ::testing::ValuesIn(kGoldens), [](const auto& c) {
  std::string name = c.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_F(Generate, JsonHasTheContractsFieldsAndTheReferencesText) {
  const Json expected = expected_text();
  const Json result = json(greedy({"-n", "64"}));
  EXPECT_EQ(result["prompt_ids"], expected["prompt_ids"]);
  EXPECT_EQ(result["ids"], expected["greedy_tokens"]);
  EXPECT_EQ(result["text"], expected["greedy_text"]);
  EXPECT_EQ(result["finish_reason"], "length");
  EXPECT_EQ(result["seed"], nullptr) << "greedy: it decides nothing";
  EXPECT_THAT(keys(result), UnorderedElementsAre("prompt_ids", "ids", "text", "finish_reason", "seed",
                                                 "timings", "device"));
  const Json& timings = result["timings"];
  EXPECT_THAT(keys(timings), UnorderedElementsAre("tune_ms", "load_ms", "compile_ms", "prompt_n", "prompt_ms",
                                                  "predicted_n", "predicted_ms"));
  EXPECT_EQ(timings["prompt_n"], expected["prompt_ids"].size());
  EXPECT_EQ(timings["predicted_n"], 64);
  for (const char* key : {"load_ms", "compile_ms", "prompt_ms", "predicted_ms"})
    EXPECT_GT(timings[key].get<double>(), 0) << key;
  EXPECT_THAT(keys(result["device"]), UnorderedElementsAre("plugin", "platform", "api_version"));
  EXPECT_EQ(result["device"]["platform"], "cpu");
  EXPECT_EQ(result["device"]["plugin"], test_plugin());
  EXPECT_THAT(result["device"]["api_version"].get<std::string>(), StartsWith("0."));
}

TEST_F(Generate, StdoutHoldsTheTextAndNothingElse) {
  const std::string text = expected_text()["greedy_text"];
  const Outcome with_prompt = adder(greedy({"-n", "64", "-v"}));
  EXPECT_EQ(with_prompt.exit_code, 0);
  EXPECT_EQ(with_prompt.out, kPrompt + text + "\n");
  EXPECT_THAT(with_prompt.err, ::testing::Not(HasSubstr("seed "))) << "greedy: it decides nothing";
  EXPECT_THAT(with_prompt.err, HasSubstr(", f32\n"));
  EXPECT_THAT(with_prompt.err, HasSubstr("info: "));
  const Outcome alone = adder(greedy({"-n", "64", "--no-display-prompt", "-q"}));
  EXPECT_EQ(alone.out, text + "\n");
  EXPECT_EQ(alone.err, "");
}

TEST_F(Generate, ReadsThePromptFromAFile) {
  std::ofstream(in_folder("prompt")) << kPrompt << "\n";
  const Json result =
      json({"generate", demo_model(), "--dtype", "f32", "--temp", "0", "-n", "8", "-f", in_folder("prompt")});
  EXPECT_EQ(result["prompt_ids"], expected_text()["prompt_ids"]);
}

TEST_F(Generate, WithoutATokenizerPrintsIds) {
  const Outcome outcome =
      adder({"generate", "-m", golden("hf-tiny"), "--ids", "1 2 3", "--temp", "0", "-n", "12"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json result =
      json({"generate", "-m", golden("hf-tiny"), "--ids", "1,2,3", "--temp", "0", "-n", "12"});
  std::string ids = joined(result["ids"].get<Ids>()) + "\n";
  std::replace(ids.begin(), ids.end(), ',', ' ');
  EXPECT_EQ(outcome.out, ids);
}

TEST_F(Generate, AStopStringEndsTheTextBeforeIt) {
  const Json all = json(greedy({"-n", "64"}));
  const Json result = json(greedy({"-n", "64", "--stop", "never seen", "--stop", "doubt of"}));
  EXPECT_EQ(result["text"], " and I have no ");
  EXPECT_EQ(result["finish_reason"], "stop");
  const Ids ids = result["ids"].get<Ids>(), every = all["ids"].get<Ids>();
  EXPECT_EQ(ids, Ids(every.begin(), every.begin() + 6));  // and, I, have, no, doubt, of
  EXPECT_EQ(result["timings"]["predicted_n"], ids.size());
  // The same text when streamed in blocks that cut the stop string.
  const Outcome streamed =
      adder(greedy({"-n", "64", "--stop", "doubt of", "--block", "1", "--no-display-prompt"}));
  EXPECT_EQ(streamed.out, " and I have no \n");
}

TEST_F(Generate, StopStringsMayLookLikeAnything) {
  const Json result = json(greedy({"-n", "8", "--stop", "{}", "--stop", "[a,b]", "--stop", "-n"}));
  EXPECT_EQ(result["finish_reason"], "length");
  const Json stopped = json(greedy({"-n", "32", "--stop", "{}", "--stop", " no doubt"}));
  EXPECT_EQ(stopped["text"], " and I have");
}

TEST_F(Generate, TheEndOfTextTokenEndsAndIsNotPartOfIt) {
  // The embedded model with a config that calls its eighth greedy token the end of text.
  for (const auto& entry : std::filesystem::directory_iterator(demo_model()))
    std::filesystem::create_symlink(entry.path(), folder() / entry.path().filename());
  std::filesystem::remove(in_folder("generation_config.json"));
  std::ofstream(in_folder("generation_config.json")) << R"({"eos_token_id": 15})";
  const Ids all = expected_text()["greedy_tokens"].get<Ids>();
  const std::vector<std::string> words{"generate", "-m", folder(), "--dtype", "f32", "-p",
                                       kPrompt,    "-n", "20",     "--temp",  "0"};
  const Json result = json(words);
  EXPECT_EQ(result["ids"], Ids(all.begin(), all.begin() + 7));
  EXPECT_EQ(result["finish_reason"], "stop");
  std::vector<std::string> ignoring = words;
  ignoring.push_back("--ignore-eos");
  EXPECT_EQ(json(ignoring)["ids"], Ids(all.begin(), all.begin() + 20));
}

TEST_F(Generate, WithoutATokenizerNoTokenEndsTheIds) {
  const Tensors expected(golden("hf-tiny") / "expected.safetensors");
  const Ids all = expected.ids("greedy_tokens");
  ASSERT_NE(std::find(all.begin(), all.end(), 0), all.end()) << "config.json: eos_token_id 0";
  const Json result = json({"generate", "-m", golden("hf-tiny"), "--dtype", "f32", "--ids",
                            joined(expected.ids("greedy_prompt")), "-n", "64", "--temp", "0"});
  EXPECT_EQ(result["ids"], all);
  EXPECT_EQ(result["finish_reason"], "length");
}

// min_p 1 is greedy, and so is a temperature near 0, whichever sampler serves. They gave token 0 in many
// places on vocabularies below 4,096.
TEST_F(Generate, TheBestTokenIsNeverDropped) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const auto ids = [&](const std::vector<std::string>& sampling) {
      std::vector<std::string> words{"generate", "-m", golden(name), "--ids", "1,2,3",
                                     "--seed",   "1",  "-n",         "200"};
      words.insert(words.end(), sampling.begin(), sampling.end());
      return json(words)["ids"].get<Ids>();
    };
    const Ids greedy = ids({"--temp", "0"});
    EXPECT_EQ(ids({"--temp", "0.8", "--min-p", "1", "--top-k", "0"}), greedy);
    EXPECT_EQ(ids({"--temp", "1e-8", "--top-k", "0"}), greedy);
    EXPECT_EQ(ids({"--temp", "1e-30", "--top-k", "0", "--top-p", "1", "--min-p", "0"}), greedy);
  }
}

TEST_F(Generate, ASeedDecidesTheTextWhateverTheBlock) {
  const auto sampled = [&](const std::string& seed, const std::string& block) {
    return json(
        {"generate", "-m", demo_model(), "-p", kPrompt, "-n", "40", "--seed", seed, "--block", block});
  };
  const Json one = sampled("7", "64"), again = sampled("7", "64"), other = sampled("8", "64");
  EXPECT_EQ(one["seed"], 7);
  EXPECT_EQ(one["ids"], again["ids"]);
  EXPECT_EQ(one["ids"], sampled("7", "16")["ids"]);
  EXPECT_NE(one["ids"], other["ids"]);
}

TEST_F(Generate, TheModelsOwnDefaultsHoldUnlessFlagsSayOtherwise) {
  for (const auto& entry : std::filesystem::directory_iterator(demo_model()))
    std::filesystem::create_symlink(entry.path(), folder() / entry.path().filename());
  std::filesystem::remove(in_folder("generation_config.json"));
  std::ofstream(in_folder("generation_config.json"))
      << R"({"do_sample": false, "max_new_tokens": 5, "eos_token_id": 15})";
  const Ids all = expected_text()["greedy_tokens"].get<Ids>();
  EXPECT_EQ(json({"generate", "-m", folder(), "--dtype", "f32", "-p", kPrompt})["ids"],
            Ids(all.begin(), all.begin() + 5));
  const Json longer = json({"generate", "-m", folder(), "--dtype", "f32", "-p", kPrompt, "-n", "20"});
  EXPECT_EQ(longer["ids"], Ids(all.begin(), all.begin() + 7));  // 15 is the eighth
  EXPECT_EQ(longer["finish_reason"], "stop");
  EXPECT_EQ(
      json({"generate", "-m", folder(), "-p", kPrompt, "-n", "20", "--temp", "5", "--seed", "3"})["seed"], 3);
}

TEST_F(Generate, ThePromptsOwnEndIsCarriedIntoTheText) {
  const Json result = json({"generate", "-m", demo_model(), "--dtype", "f32", "--ids",
                            joined(expected_text()["prompt_ids"].get<Ids>()), "--temp", "0", "-n", "3"});
  EXPECT_EQ(result["text"], " and I have");
}

TEST_F(Generate, CtrlCStopsAfterTheBlockWithExit130) {
  Process process =
      start({"generate", "-m", demo_model(), "-p", kPrompt, "-n", "-1", "--ignore-eos", "--seed", "1"});
  ASSERT_TRUE(process.wait_for_output(std::chrono::seconds(120)));
  process.send(SIGINT);
  const Outcome outcome = process.wait(std::chrono::seconds(60));
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.out, StartsWith(kPrompt));
  EXPECT_THAT(outcome.out, ::testing::EndsWith("\n"));
  EXPECT_THAT(outcome.err, HasSubstr("seed 1"));
}

TEST_F(Generate, CtrlCIsHeardWhileALongPromptIsReadWhichSaysHowFarItIs) {
  const std::string text = adder::testing::read_file(demo_model() / "heldout.txt");
  std::ofstream prompt(in_folder("prompt"));
  for (std::size_t bytes = 0; bytes < 1'000'000; bytes += text.size()) prompt << text;
  prompt.close();
  Process process = start({"generate", "-m", demo_model(), "-f", in_folder("prompt"), "-n", "4"});
  ASSERT_TRUE(process.wait_for_error("reading the prompt: ", std::chrono::seconds(120)));
  process.send(SIGINT);
  const Outcome outcome = process.wait(std::chrono::seconds(60));
  EXPECT_EQ(outcome.signal, 0);
  expect_failure(outcome, 130, "tokens of the prompt");
}

}  // namespace
}  // namespace adder::test
