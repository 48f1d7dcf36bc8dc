#include <cstdlib>
#include <fstream>
#include <regex>

#include "base/testing.h"
#include "cli_fixture.h"
#include "hub/fake_hub.h"

// A model of a hub in one command, against a hub on the loopback interface.

namespace adder::test {
namespace {

using adder::testing::read_file;
using hub::testing::Reply;
using hub::testing::ServedRequest;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Whole words, and the ids they have: <|endoftext|>, w1, w2, ...
std::string word_tokenizer(int words = 400) {
  Json vocabulary{{"<|endoftext|>", 0}};
  for (int i = 1; i < words; ++i) vocabulary["w" + std::to_string(i)] = i;
  return Json{{"version", "1.0"},
              {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
              {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "<|endoftext|>"}}}}
      .dump();
}

class HubRun : public CliTest {
 protected:
  void SetUp() override {
    need_plugin();
    for (const char* file : {"config.json", "model.safetensors"})
      hub.files[file] = read_file(golden("hf-tiny") / file);
    hub.files["tokenizer.json"] = word_tokenizer();
  }
  Process::Environment environment(bool offline = false) {
    return {{"HF_ENDPOINT", hub.server().url()},
            {"HF_HUB_CACHE", in_folder("cache")},
            {"HF_HOME", in_folder("home")},
            {"HF_TOKEN", ""},
            {"HF_HUB_OFFLINE", offline ? "1" : ""},
            {"http_proxy", ""},
            {"all_proxy", ""},
            {"ALL_PROXY", ""}};
  }
  Outcome run(std::vector<std::string> words, bool offline = false) {
    words.insert(words.end(), {"-p", "w1 w2", "-n", "2", "--temp", "0", "--json"});
    return adder(words, environment(offline));
  }
  static Json ids_of(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.exit_code == 0 ? Json::parse(outcome.out)["ids"] : Json();
  }

  hub::testing::FakeHub hub;
};

TEST_F(HubRun, OneCommandDownloadsAndRunsAndTheNextNeedsNoNetwork) {
  const Outcome first = run({"generate", "-hf", "org/model"});
  const Json ids = ids_of(first);
  EXPECT_THAT(first.err, HasSubstr("downloaded org/model: "));
  const std::size_t asked = hub.server().requests().size();
  const Outcome again = run({"generate", "-hf", "org/model"});
  EXPECT_EQ(ids_of(again), ids);
  EXPECT_THAT(again.err, Not(HasSubstr("downloaded")));
  EXPECT_EQ(hub.server().requests().size(), asked) << "a whole model in the cache starts at once";
  EXPECT_EQ(ids_of(run({"generate", "org/model"}, true)), ids);
}

TEST_F(HubRun, AnUnknownModelSaysBothThingsItCouldHaveBeen) {
  const Outcome outcome = run({"generate", "-m", "org/model"});
  expect_failure(outcome, 1,
                 "no such file or directory, and as a model of a hub: org/model is not in the cache");
  EXPECT_THAT(outcome.err, HasSubstr("/refs/main is missing)"));
  EXPECT_THAT(outcome.err, HasSubstr("-hf org/model"));
  EXPECT_TRUE(hub.server().requests().empty()) << "nothing is downloaded unasked";
  expect_failure(run({"generate", "-m", "./model"}), 1, "not the name of a model on a hub (ORG/NAME)");
  expect_failure(run({"generate", "-m", "org/model", "--pull"}, true), 1, "HF_HUB_OFFLINE");
  ids_of(run({"generate", "-m", "org/model", "--pull"}));
}

/// A small model in state-spaces' layout, with the vocabulary of theirs.
void make_state_spaces_model(const std::filesystem::path& folder, const char* python) {
  const std::filesystem::path tool = std::filesystem::path(ADDER_SOURCE_DIR) / "tools/make_checkpoint.py";
  const Outcome made = Process(python,
                               {tool.string(), folder.string(), "--d-model", "16", "--layers", "1",
                                "--d-state", "8", "--head-dim", "8", "--vocab", "50288"},
                               {})
                           .wait();
  ASSERT_EQ(made.exit_code, 0) << made.err;
  std::ofstream(folder / "config.json") << R"({"d_model": 16, "n_layer": 1, "vocab_size": 50277,
      "ssm_cfg": {"layer": "Mamba2", "d_state": 8, "headdim": 8}, "rms_norm": true, "residual_in_fp32": true,
      "pad_vocab_size_multiple": 16, "tie_embeddings": true})";
}

/// A hub that has such a model, and beside it the one that its tokenizer is of.
class StateSpacesHub : public HubRun {
 protected:
  /// Skips the test where nothing can make the model.
  void take_state_spaces_model() {
    const char* python = std::getenv("ADDER_TEST_PYTHON");
    if (!python) GTEST_SKIP() << "ADDER_TEST_PYTHON is not set: a Python with numpy makes the checkpoint";
    make_state_spaces_model(model, python);
    hub.files.clear();
    for (const char* file : {"config.json", "model.safetensors"}) hub.files[file] = read_file(model / file);
    neox.files["tokenizer.json"] = word_tokenizer(50'277);
  }

  const std::filesystem::path model = folder() / "model";
  hub::testing::FakeHub neox;
};

TEST_F(StateSpacesHub, AModelOfStateSpacesGetsTheTokenizerItWasTrainedWith) {
  take_state_spaces_model();
  if (IsSkipped()) return;
  neox.files["pytorch_model.bin"] = std::string(5000, 'x');
  hub.fault = [&](const ServedRequest& request) -> std::optional<Reply> {
    ServedRequest moved = request;
    const std::string name = "EleutherAI/gpt-neox-20b";
    const std::size_t at = moved.target.find(name);
    if (at == std::string::npos) return std::nullopt;
    moved.target.replace(at, name.size(), "org/model");
    return neox.answer(moved);
  };
  const Outcome missing = run({"generate", model.string()}, true);
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err,
              HasSubstr("such a model uses EleutherAI/gpt-neox-20b's, which is not in the cache"));
  EXPECT_THAT(missing.err, AllOf(HasSubstr("--pull"), HasSubstr("--tokenizer"), HasSubstr("--ids")));

  const Outcome first = run({"generate", "-hf", "org/model"});
  const Json ids = ids_of(first);
  EXPECT_THAT(first.err, HasSubstr("tokenizer: EleutherAI/gpt-neox-20b"));
  EXPECT_TRUE(hub.server().requests("GET", "pytorch_model.bin").empty()) << "only its tokenizer";
  EXPECT_EQ(ids_of(run({"generate", "org/model"}, true)), ids);
  EXPECT_EQ(ids_of(run({"generate", model.string(), "--tokenizer", "EleutherAI/gpt-neox-20b"}, true)), ids);

  std::ofstream(in_folder("text")) << "w3 w4 w5 w6";
  const Outcome scored =
      adder({"perplexity", model.string(), "-f", in_folder("text"), "--json"}, environment(true));
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  EXPECT_EQ(Json::parse(scored.out)["tokens"], 4);
}

/// Serves the files of `neox` under the name that state-spaces' tokenizer has, its own under every other
/// name.
void serve_under_all_names(hub::testing::FakeHub& hub, hub::testing::FakeHub& neox) {
  hub.fault = [&hub, &neox](const ServedRequest& request) -> std::optional<Reply> {
    static const std::regex kName("^(/api/models)?/([^/]+/[^/]+)/(revision|resolve)/");
    std::smatch found;
    if (!std::regex_search(request.target, found, kName) || found[2] == "org/model") return std::nullopt;
    ServedRequest moved = request;
    moved.target.replace(static_cast<std::size_t>(found.position(2)),
                         static_cast<std::size_t>(found.length(2)), "org/model");
    return found[2] == "EleutherAI/gpt-neox-20b" ? neox.answer(moved) : hub.answer(moved);
  };
}

/// The command lines of a document that run a model of the hub, with the binary's name taken off.
std::vector<std::string> hub_lines(const std::string& document) {
  static const std::regex kLine("(^|\n)(build/)?adder (generate -hf [^\n]*)");
  const std::string text = read_file(std::filesystem::path(ADDER_SOURCE_DIR) / document);
  std::vector<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), kLine), end; at != end; ++at)
    out.push_back((*at)[3]);
  return out;
}

TEST_F(StateSpacesHub, TheLinesOfTheDocumentsRunFromAnEmptyHome) {
  take_state_spaces_model();
  if (IsSkipped()) return;
  serve_under_all_names(hub, neox);
  int lines = 0;
  for (const std::string document : {"README.md", "docs/QUICKSTART.md"})
    for (std::string line : hub_lines(document)) {
      SCOPED_TRACE(document + ": " + line);
      // No card is needed to try the rest of a line that asks for one.
      line = std::regex_replace(line, std::regex("--plugin cuda"), "--plugin \"$ADDER_PLUGIN\"");
      const std::string home = in_folder("home" + std::to_string(++lines));
      std::filesystem::create_directory(home);
      const Process::Environment empty{{"HOME", home},
                                       {"HF_HOME", ""},
                                       {"HF_HUB_CACHE", ""},
                                       {"XDG_CACHE_HOME", ""},
                                       {"HF_ENDPOINT", hub.server().url()},
                                       {"HF_TOKEN", ""},
                                       {"HF_HUB_OFFLINE", ""},
                                       {"http_proxy", ""},
                                       {"all_proxy", ""},
                                       {"ALL_PROXY", ""},
                                       {"ADDER_PLUGIN", test_plugin()},
                                       {"ADDER_CACHE", ADDER_TEST_CACHE},
                                       {"ADDER_NO_TUNE", "1"}};
      const auto shell = [&] {
        return Process("/bin/sh", {"-c", "exec \"" ADDER_BINARY "\" " + line}, empty).wait();
      };
      const Outcome first = shell();
      EXPECT_EQ(first.exit_code, 0) << first.err;
      EXPECT_THAT(first.err, AllOf(HasSubstr("downloaded state-spaces/mamba2-"),
                                   HasSubstr("tokenizer: EleutherAI/gpt-neox-20b")));
      EXPECT_FALSE(std::filesystem::is_empty(home + "/.cache/huggingface/hub"));
      const std::size_t asked = hub.server().requests().size() + neox.server().requests().size();
      const Outcome again = shell();
      EXPECT_EQ(again.exit_code, 0) << again.err;
      EXPECT_EQ(hub.server().requests().size() + neox.server().requests().size(), asked);
    }
  EXPECT_GE(lines, 3);
}

}  // namespace
}  // namespace adder::test
