// Files that change, that are not what they seem, or that must not be lost.

#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/testing.h"
#include "checkpoint/gguf_testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

namespace fs = std::filesystem;

class Files : public CliTest {
 protected:
  std::vector<std::string> names_in(const fs::path& path) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename().string());
    return names;
  }
  /// The demo model with weights that are used where they lie in their file.
  std::string in_place_model() const {
    const std::string model = in_folder("model");
    const Outcome made = adder({"convert", demo_model(), model, "--dtype", "f32"});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    return model;
  }
  static std::vector<std::string> endless(const std::string& model) {
    return {"generate", "-m", model, "-p", "It is", "-n", "-1", "--ignore-eos", "--temp", "0"};
  }
};

TEST_F(Files, ATruncatedFileUnderARunIsNamed) {
  need_plugin();
  if (IsSkipped()) return;
  const std::string model = in_place_model(), weights = model + "/model.safetensors";
  Process process = start(endless(model));
  ASSERT_TRUE(process.wait_for_output(std::chrono::seconds(100)));
  fs::resize_file(weights, 4096);
  const Outcome outcome = process.wait(std::chrono::seconds(100));
  EXPECT_EQ(outcome.exit_code, 1) << "signal " << outcome.signal << "\n" << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: " + fs::canonical(weights).string() + ": "));
  EXPECT_THAT(outcome.err, HasSubstr("made shorter"));
}

TEST_F(Files, AFileThatIsWrittenOverUnderARunIsNoSuccess) {
  need_plugin();
  if (IsSkipped()) return;
  const std::string model = in_place_model(), weights = model + "/model.safetensors";
  Process process = start(endless(model));
  ASSERT_TRUE(process.wait_for_output(std::chrono::seconds(100)));
  std::fstream(weights, std::ios::binary | std::ios::in | std::ios::out).seekp(1 << 20) << "0000";
  process.send(SIGTERM);
  const Outcome outcome = process.wait(std::chrono::seconds(100));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(weights + ": changed while it was being used"));
}

TEST_F(Files, AFileThatIsReplacedByRenamingDisturbsNoRun) {
  need_plugin();
  if (IsSkipped()) return;
  const std::string model = in_place_model(), weights = model + "/model.safetensors";
  fs::copy(weights, in_folder("other"));
  Process process = start(endless(model));
  ASSERT_TRUE(process.wait_for_output(std::chrono::seconds(100)));
  fs::rename(in_folder("other"), weights);
  process.send(SIGHUP);
  const Outcome outcome = process.wait(std::chrono::seconds(100));
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("error")));
}

TEST_F(Files, OneFileForTwoOutputsIsRefused) {
  const std::vector<std::string> words{"forward", "-m", golden("hf-tiny"), "--ids", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return adder(more);
  };
  expect_failure(with({"--out", in_folder("o"), "--state-out", in_folder("o")}), 2,
                 "--state-out: " + in_folder("o") + ": is what --out names too");
  fs::create_directory_symlink(folder(), in_folder("here"));
  expect_failure(with({"--out", in_folder("o"), "--state-out", in_folder("here/o")}), 2, "--out names too");
  std::ofstream(in_folder("s")) << "a snapshot";
  expect_failure(with({"--out", in_folder("s"), "--state-in", in_folder("s")}), 2,
                 "is what --state-in reads");
  std::ofstream(in_folder("ids")) << "1";
  expect_failure(adder({"forward", "-m", golden("hf-tiny"), "--ids-file", in_folder("ids"), "--out",
                        in_folder("o"), "--state-out", in_folder("ids")}),
                 2, "is what --ids-file reads");
  EXPECT_THAT(names_in(folder()), UnorderedElementsAre("here", "s", "ids"));
  EXPECT_EQ(adder::testing::read_file(in_folder("s")), "a snapshot");
}

// The model is not there either: what is complained about first was looked at first.
TEST_F(Files, OutputsThatCannotBeWrittenAreToldBeforeTheWork) {
  const std::string model = in_folder("nowhere");
  std::ofstream(in_folder("file")) << "x";
  const auto forward = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"forward", "-m", model, "--ids", "1"});
    return adder(more);
  };
  const std::string missing = in_folder("no/such/folder/o");
  expect_failure(forward({"--out", missing}), 1, "--out: " + missing);
  expect_failure(forward({"--out", folder()}), 1, "found a directory");
  expect_failure(forward({"--out", in_folder("file/o")}), 1, "--out: ");
  expect_failure(forward({"--out", in_folder("o"), "--state-out", missing}), 1, "--state-out: " + missing);
  expect_failure(forward({"--out", in_folder("o"), "--dump-hlo", in_folder("file")}), 1, "file");
  expect_failure(forward({"--out", "/proc/o"}), 1, "--out: /proc/o");
  expect_failure(adder({"profile", "-m", model, "--trace", missing}), 1, "--trace: " + missing);
  expect_failure(adder({"profile", "-m", model, "--trace", folder()}), 1, "found a directory");
  expect_failure(adder({"bench", "--suite", "paper", "-m", model, "--out", in_folder("file/o")}), 1,
                 "file/o");
  fs::create_directories(in_folder("dir/suite.json"));
  expect_failure(adder({"bench", "--suite", "paper", "-m", model, "--out", in_folder("dir")}), 1,
                 "suite.json");
  fs::create_directories(in_folder("dir2/report.html"));
  expect_failure(adder({"bench", "--report", in_folder("none.json"), "--out", in_folder("dir2")}), 1,
                 "report.html");
}

TEST_F(Files, AFileOfTheModelIsNoOutput) {
  need_plugin();
  if (IsSkipped()) return;
  fs::copy(golden("hf-tiny"), in_folder("m"));
  fs::create_symlink("m/model.safetensors", in_folder("link"));
  for (const std::string& output : {in_folder("m/model.safetensors"), in_folder("m/config.json")}) {
    const std::string before = adder::testing::read_file(output);
    expect_failure(adder({"forward", "-m", in_folder("m"), "--ids", "1", "--out", output}), 1,
                   "is a file of the model");
    EXPECT_EQ(adder::testing::read_file(output), before);
  }
  const std::string beside = in_folder("m/out.safetensors");
  for (int twice = 0; twice < 2; ++twice)
    EXPECT_EQ(adder({"forward", "-m", in_folder("m"), "--ids", "1", "--out", beside}).exit_code, 0);
}

TEST_F(Files, ConvertAndQuantizeFillTheFolderTheyAreIn) {
  for (const std::string command : {"convert", "quantize"}) {
    SCOPED_TRACE(command);
    const fs::path here = folder() / command;
    fs::create_directory(here);
    const Outcome outcome = Process("/bin/sh",
                                    {"-c", "cd \"$HERE\" && exec \"$0\" \"$@\"", ADDER_BINARY, command,
                                     golden("hf-tiny").string(), "."},
                                    {{"HERE", here.string()}})
                                .wait();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, ".\n");
    EXPECT_THAT(names_in(here), ::testing::IsSupersetOf({"config.json", "model.safetensors"}));
    for (const std::string& name : names_in(here)) EXPECT_NE(name[0], '.');
    EXPECT_EQ(adder({"inspect", here}).exit_code, 0);
  }
}

TEST_F(Files, ConvertIntoALinkFillsWhatItPointsTo) {
  fs::create_directory(in_folder("real"));
  fs::create_directory_symlink("real", in_folder("link"));
  const Outcome outcome = adder({"convert", golden("hf-tiny"), in_folder("link")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(fs::is_symlink(in_folder("link")));
  EXPECT_EQ(adder({"inspect", in_folder("real")}).exit_code, 0);
  fs::create_symlink("none", in_folder("dangling"));
  expect_failure(adder({"convert", golden("hf-tiny"), in_folder("dangling")}), 1,
                 "a link to something that is not there");
}

/// A checkpoint whose conversion takes a while: an embedding of many rows, all holes.
void make_large(const fs::path& folder) {
  fs::create_directory(folder);
  const auto config = read_json_file(golden("hf-tiny") / "config.json");
  ASSERT_TRUE(config);
  Tensors small(golden("hf-tiny") / "model.safetensors");
  constexpr std::int64_t kRows = 1 << 22;
  Json json = *config, header;
  json["vocab_size"] = kRows;
  json["time_step_limit"] = {0.0, 1e30};
  std::ofstream(folder / "config.json") << json.dump();
  std::uint64_t at = 0;
  for (const std::string& name : small.names()) {
    Dims dims = small.dims(name);
    if (dims[0] == (*config)["vocab_size"]) dims[0] = kRows;
    std::uint64_t bytes = 4;
    for (const std::int64_t d : dims) bytes *= static_cast<std::uint64_t>(d);
    header[name] = {{"dtype", "F32"}, {"shape", dims}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  std::ofstream out(folder / "model.safetensors", std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size) << text;
  out.close();
  fs::resize_file(folder / "model.safetensors", 8 + size + at);
}

TEST_F(Files, SigtermAndSighupLeaveNothingHalfWrittenAndAKillIsSweptUp) {
  make_large(in_folder("large"));
  const auto partials = [&] {
    std::vector<std::string> found;
    for (const std::string& name : names_in(folder()))
      if (name.ends_with(".partial")) found.push_back(name);
    return found;
  };
  for (const int signal : {SIGTERM, SIGHUP, SIGKILL}) {
    SCOPED_TRACE(signal);
    Process process = start({"quantize", in_folder("large"), in_folder("out")});
    while (partials().empty() && !process.ended()) std::this_thread::yield();
    process.send(signal);
    const Outcome outcome = process.wait(std::chrono::seconds(100));
    if (signal == SIGKILL) break;
    EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
    EXPECT_THAT(names_in(folder()), ElementsAre("large"));
  }
  EXPECT_EQ(partials().size(), 1u);
  ASSERT_EQ(adder({"convert", golden("hf-tiny"), in_folder("out")}).exit_code, 0);
  EXPECT_THAT(names_in(folder()), UnorderedElementsAre("large", "out"));
}

TEST_F(Files, WhatIsInTheExecutableCacheIsNeverABug) {
  need_plugin();
  if (IsSkipped()) return;
  const Process::Environment cache{{"ADDER_CACHE", in_folder("cache")}};
  const std::vector<std::string> words{"generate", "-m", golden("hf-tiny"), "--ids", "1",
                                       "-n",       "1",  "--json"};
  const Outcome first = adder(words, cache);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::vector<std::string> programs = names_in(in_folder("cache/executables"));
  ASSERT_FALSE(programs.empty());
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const fs::path program = folder() / "cache/executables" / programs[i];
    fs::remove(program);
    if (i % 2 == 0)
      fs::create_directory(program);
    else
      ASSERT_EQ(::mkfifo(program.c_str(), 0600), 0);
  }
  const Outcome second = adder(words, cache);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, Not(HasSubstr("bug in Adder")));
}

TEST_F(Files, TheExecutableCacheKeepsToItsLimit) {
  need_plugin();
  if (IsSkipped()) return;
  const auto kept = [&](const std::string& limit) {
    const Outcome outcome =
        adder({"generate", "-m", golden("hf-tiny"), "--ids", "1,2,3", "-n", "1", "--json"},
              {{"ADDER_CACHE", in_folder("cache" + limit)}, {"ADDER_CACHE_LIMIT", limit}});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return names_in(in_folder("cache" + limit + "/executables")).size();
  };
  EXPECT_GT(kept("1GiB"), 1u);
  EXPECT_EQ(kept("1kB"), 1u);
  expect_failure(adder({"generate", "-m", golden("hf-tiny"), "--ids", "1"}, {{"ADDER_CACHE_LIMIT", "much"}}),
                 2, "--cache-limit");
}

TEST_F(Files, FoldersAndLinksThatCannotBeFollowedAreToldAsThat) {
  fs::create_symlink("loop", in_folder("loop"));
  expect_failure(adder({"inspect", in_folder("loop")}), 1, "Too many levels of symbolic links");
  fs::create_directory(in_folder("m"));
  fs::create_symlink("config.json", in_folder("m/config.json"));
  expect_failure(adder({"inspect", in_folder("m")}), 1, "Too many levels of symbolic links");
  fs::remove(in_folder("m/config.json"));
  fs::copy(golden("hf-tiny") / "config.json", in_folder("m/config.json"));
  ASSERT_EQ(::mkfifo(in_folder("m/model.safetensors").c_str(), 0600), 0);
  expect_failure(adder({"inspect", in_folder("m")}), 1, "found a FIFO");
  fs::remove(in_folder("m/model.safetensors"));
  fs::create_symlink("model.safetensors", in_folder("m/model.safetensors"));
  expect_failure(adder({"inspect", in_folder("m")}), 1, "Too many levels of symbolic links");
}

TEST_F(Files, WhatTheModelSuggestsWronglyIsNamedWithItsFile) {
  need_plugin();
  if (IsSkipped()) return;
  fs::copy(golden("hf-tiny"), in_folder("m"));
  std::ofstream(in_folder("m/generation_config.json")) << R"({"top_p": 0})";
  const std::vector<std::string> words{"generate", "-m", in_folder("m"), "--ids", "1", "-n", "1"};
  expect_failure(adder(words), 1, in_folder("m/generation_config.json") + ": top_p");
  std::vector<std::string> overruled = words;
  overruled.insert(overruled.end(), {"--top-p", "1"});
  EXPECT_EQ(adder(overruled).exit_code, 0);
}

TEST_F(Files, AGgufVocabularyThatCannotBeReadIsNamedWithItsFile) {
  need_plugin();
  if (IsSkipped()) return;
  checkpoint::testing::GgufBuilder gguf = checkpoint::testing::tiny_gguf();
  gguf.set("tokenizer.ggml.model", checkpoint::testing::text("t5"));
  gguf.set("tokenizer.ggml.tokens",
           checkpoint::testing::texts({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}));
  std::ofstream(in_folder("model.gguf"), std::ios::binary) << gguf.bytes();
  const Outcome outcome = adder({"generate", "-m", in_folder("model.gguf"), "-p", "x"});
  expect_failure(outcome, 1, in_folder("model.gguf") + ":");
}

TEST_F(Files, ABoundIsReadable) {
  const Outcome outcome = adder({"generate", "-m", golden("hf-tiny"), "--ids", "1", "--device", "-1"});
  expect_failure(outcome, 2, "--device");
  EXPECT_LT(outcome.err.size(), 200u) << outcome.err;
}

}  // namespace
}  // namespace adder::test
