#include <cstdio>

#include "cli_fixture.h"

// Prompts and texts as shells give them: pipes, /dev/stdin, <(...), standard input.

namespace adder::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPrompt = "It is a truth universally acknowledged,";

class Input : public CliTest {
 protected:
  void SetUp() override { need_plugin(); }
  /// A line of bash in which $ADDER, $MODEL and $PROMPT mean what they say.
  static Outcome shell(const std::string& line) {
    return Process("/bin/bash", {"-c", line},
                   {{"ADDER", ADDER_BINARY},
                    {"MODEL", demo_model().string()},
                    {"PROMPT", kPrompt},
                    {"ADDER_CACHE", ADDER_TEST_CACHE},
                    {"ADDER_PLUGIN", test_plugin()},
                    {"ADDER_NO_TUNE", "1"}})
        .wait();
  }
  static Json prompt_of(const std::string& line) {
    const Outcome outcome = shell(line);
    EXPECT_EQ(outcome.exit_code, 0) << line << "\n" << outcome.err;
    const auto json = parse_json(outcome.out, "stdout");
    return json ? json->at("prompt_ids") : Json();
  }
};

TEST_F(Input, EveryWayToGiveAPromptIsTheSamePrompt) {
  const Json expected = read_json_file(demo_model() / "expected.json").value().at("prompt_ids");
  const std::string run = "\"$ADDER\" generate $MODEL -n 1 --temp 0 --dtype f32 --json ";
  for (const std::string& line :
       {run + "-p \"$PROMPT\"", "echo \"$PROMPT\" | " + run, "echo \"$PROMPT\" | " + run + "-f -",
        "echo \"$PROMPT\" | " + run + "-f /dev/stdin", run + "-f <(echo \"$PROMPT\")",
        run + "--prompt-file <(echo -n \"$PROMPT\")"})
    EXPECT_EQ(prompt_of(line), expected) << line;
}

TEST_F(Input, EscapesAreTakenOnRequest) {
  const std::string run = "\"$ADDER\" generate $MODEL -n 1 --temp 0 --json ";
  const Json plain = prompt_of(run + R"(-p 'a\nb')"), escaped = prompt_of(run + R"(-e -p 'a\nb')"),
             real = prompt_of(run + R"(-p $'a\nb')");
  EXPECT_EQ(escaped, real);
  EXPECT_NE(plain, real);
}

TEST_F(Input, AnEmptyPromptBeginsAtTheBeginningOfText) {
  EXPECT_EQ(json({"generate", demo_model(), "-p", "", "-n", "1", "--temp", "0"})["prompt_ids"], Ids{0});
}

TEST_F(Input, NothingAtStandardInputIsNoPrompt) {
  const Outcome outcome = adder({"generate", demo_model()});
  expect_failure(outcome, 2, "there is no prompt");
}

TEST_F(Input, PerplexityReadsAPipeAndSaysHowSureItIs) {
  const Outcome outcome =
      shell("head -c 2000 $MODEL/heldout.txt | \"$ADDER\" perplexity $MODEL -f - -c 256 --dtype f32 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = parse_json(outcome.out, "stdout");
  ASSERT_TRUE(result) << outcome.out;
  EXPECT_GT(result->at("perplexity_error").get<double>(), 0);
  EXPECT_LT(result->at("perplexity_error").get<double>(), result->at("perplexity").get<double>());
  EXPECT_EQ(result->at("dtype"), "f32");
  const Outcome text = shell("head -c 2000 $MODEL/heldout.txt | \"$ADDER\" perplexity -m $MODEL -f -");
  EXPECT_THAT(text.out, ::testing::ContainsRegex("^perplexity [0-9.]+ ± [0-9.]+, "));
  EXPECT_THAT(text.err, HasSubstr("bf16 (auto)"));
}

TEST_F(Input, AutoKeepsWeightsAsTheyAreStored) {
  const auto dtype_of = [](const std::filesystem::path& model, const std::vector<std::string>& more) {
    std::vector<std::string> words{"generate", model, "--ids", "1", "-n", "1", "--temp", "0"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = adder(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(dtype_of(demo_model(), {}), HasSubstr(", bf16 (auto)"));
  EXPECT_THAT(dtype_of(golden("hf-tiny"), {}), HasSubstr(", f32 (auto)"));
  EXPECT_THAT(dtype_of(golden("gguf") / "hf-tiny-q4_0.gguf", {}), HasSubstr(", int8 (auto)"));
  EXPECT_THAT(dtype_of(demo_model(), {"--dtype", "float32"}), HasSubstr(", f32\n"));
  EXPECT_THAT(dtype_of(demo_model(), {"--dtype", "fp16"}), HasSubstr("--dtype fp16: computed as bf16"));
  EXPECT_EQ(json({"inspect", demo_model()})["dtype"], "bf16");
  EXPECT_THAT(json({"inspect", demo_model()})["tokenizer"].get<std::string>(),
              ::testing::EndsWith("tokenizer.json, 4096 tokens"));
}

TEST_F(Input, ThreadsAreAsManyAsWereAskedFor) {
  const std::string line =
      "count() { \"$ADDER\" generate $MODEL -p x -n -1 --ignore-eos -t $1 >$OUT 2>/dev/null & "
      "until [ -s $OUT ]; do sleep 0.05; kill -0 $! || break; done; ls /proc/$!/task | wc -l; kill -9 $!; rm "
      "$OUT; }; "
      "OUT=" +
      in_folder("out") + "; echo $(count 1) $(count 5)";
  const Outcome outcome = shell(line);
  int one = 0, five = 0;
  ASSERT_EQ(std::sscanf(outcome.out.c_str(), "%d %d", &one, &five), 2) << outcome.out << outcome.err;
  EXPECT_GE(five, one + 4) << outcome.out;
}

TEST_F(Input, ATokenizerOfAnotherVocabularyIsRefused) {
  expect_failure(adder({"generate", golden("hf-tiny"), "-p", "x", "--tokenizer", demo_model()}), 1,
                 "its token ids end at 4095, the model's at 511: it belongs to another model");
}

}  // namespace
}  // namespace adder::test
