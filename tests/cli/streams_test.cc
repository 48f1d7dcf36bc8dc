// What a closed or full stream, a hostile name or a lack of memory does: a sentence and an exit status, never
// an abort.

#include <fstream>

#include "base/testing.h"
#include "base/text.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Streams : public CliTest {
 protected:
  /// /bin/sh runs `script`, in which "$0" "$@" is the program with its arguments.
  static Outcome in_shell(const std::string& script, std::vector<std::string> arguments,
                          const Process::Environment& more = {}) {
    arguments.insert(arguments.begin(), {"-c", script, ADDER_BINARY});
    Process::Environment environment{
        {"ADDER_CACHE", ADDER_TEST_CACHE}, {"ADDER_PLUGIN", test_plugin()}, {"ADDER_NO_TUNE", "1"}};
    environment.insert(environment.end(), more.begin(), more.end());
    return Process("/bin/sh", arguments, environment).wait();
  }
};

const std::vector<std::string> kLostStderr{R"("$0" "$@" 2>/dev/full)", R"("$0" "$@" 2>&-)"};

TEST_F(Streams, NotesThatNobodyTakesEndNothing) {
  for (std::size_t i = 0; i < kLostStderr.size(); ++i) {
    SCOPED_TRACE(kLostStderr[i]);
    const std::string out = in_folder("out" + std::to_string(i));
    const Outcome converted = in_shell(kLostStderr[i], {"convert", golden("hf-tiny"), out});
    EXPECT_EQ(converted.exit_code, 0) << "signal " << converted.signal;
    EXPECT_EQ(converted.out, out + "\n");
    EXPECT_EQ(in_shell(kLostStderr[i], {"inspect", in_folder("none")}).exit_code, 1);
    EXPECT_EQ(in_shell(kLostStderr[i], {"inspect", "--bogus"}).exit_code, 2);
    EXPECT_EQ(in_shell(kLostStderr[i], {"bogus"}).exit_code, 2);
    EXPECT_EQ(in_shell(kLostStderr[i], {}).exit_code, 2);
  }
}

TEST_F(Streams, TextIsWholeThoughTheTimingsAreLost) {
  need_plugin();
  if (IsSkipped()) return;
  const std::vector<std::string> words{"generate", "-m", golden("hf-tiny"), "--ids", "1,2,3",
                                       "-n",       "4",  "--temp",          "0",     "-v"};
  const Outcome whole = adder(words);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  for (const std::string& script : kLostStderr) {
    SCOPED_TRACE(script);
    const Outcome outcome = in_shell(script, words);
    EXPECT_EQ(outcome.exit_code, 0) << "signal " << outcome.signal;
    EXPECT_EQ(outcome.out, whole.out);
  }
}

TEST_F(Streams, ANoteIntoAnUnreadPipeEndsNothing) {
  const std::string script = R"({ sleep 0.3; "$0" "$@" 2>&1 >"$OUT"; echo $? >"$CODE"; } | true)";
  in_shell(script, {"convert", golden("hf-tiny"), in_folder("out")},
           {{"OUT", in_folder("stdout")}, {"CODE", in_folder("code")}});
  EXPECT_EQ(adder::testing::read_file(in_folder("code")), "0\n");
  EXPECT_EQ(adder::testing::read_file(in_folder("stdout")), in_folder("out") + "\n");
}

TEST_F(Streams, AClosedStderrIsNotTheFileThatIsWritten) {
  EXPECT_EQ(in_shell(kLostStderr[1], {"convert", golden("hf-tiny"), in_folder("out")}).exit_code, 0);
  EXPECT_EQ(adder::testing::read_file(in_folder("out/model.safetensors")).find("tensors,"),
            std::string::npos);
  EXPECT_EQ(adder({"inspect", in_folder("out")}).exit_code, 0);
}

TEST_F(Streams, AFullOrClosedStdoutIsAFailureOfEveryCommand) {
  std::vector<std::vector<std::string>> commands{{"--version"},
                                                 {"--help"},
                                                 {"help"},
                                                 {"help", "generate"},
                                                 {"generate", "--help"},
                                                 {"inspect", golden("hf-tiny")},
                                                 {"inspect", golden("hf-tiny"), "--json"},
                                                 {"devices", "--tuning"},
                                                 {"devices", "--tuning", "--json"}};
  if (!test_plugin().empty()) {
    commands.push_back({"devices", "--plugin", test_plugin()});
    commands.push_back({"generate", "-m", golden("hf-tiny"), "--ids", "1", "-n", "1"});
    commands.push_back({"generate", "-m", golden("hf-tiny"), "--ids", "1", "-n", "1", "--json"});
  }
  for (const auto& words : commands) {
    SCOPED_TRACE(::testing::PrintToString(words));
    const Outcome full = in_shell(R"("$0" "$@" >/dev/full)", words);
    EXPECT_EQ(full.exit_code, 1);
    EXPECT_THAT(full.err, HasSubstr("error: writing to standard output: No space left on device"));
    const Outcome closed = in_shell(R"("$0" "$@" >&-)", words);
    EXPECT_EQ(closed.exit_code, 1);
    EXPECT_THAT(closed.err, HasSubstr("error: writing to standard output: Bad file descriptor"));
  }
}

TEST_F(Streams, PathsThatAreNotUtf8AreNoBugInJson) {
  const std::filesystem::path model = folder() / "m\xff";
  std::filesystem::copy(golden("hf-tiny"), model);
  EXPECT_EQ(json({"inspect", model, "--tensors"})["config"]["vocab_size"], 512);
  EXPECT_THAT(json({"convert", model, folder() / "out\xfe"})["out"].get<std::string>(),
              ::testing::EndsWith("out\xef\xbf\xbd"));
  EXPECT_TRUE(std::filesystem::exists(folder() / "out\xfe" / "config.json"));
  const Outcome devices = adder({"devices", "--json", "--plugin", folder() / "p\xff.so"});
  EXPECT_EQ(devices.exit_code, 1);
  EXPECT_THAT(devices.err, Not(HasSubstr("bug in Adder")));
  if (test_plugin().empty()) return;
  const std::filesystem::path plugin = folder() / "plugin\xff.so";
  std::filesystem::create_symlink(test_plugin(), plugin);
  EXPECT_THAT(json({"generate", "-m", model, "--ids", "1", "-n", "1", "--plugin", plugin})["device"]["plugin"]
                  .get<std::string>(),
              ::testing::EndsWith("plugin\xef\xbf\xbd.so"));
}

TEST_F(Streams, BytesOfHostileFilesDoNotReachTheTerminal) {
  const auto expect_plain = [&](const std::string& file, const std::string& text) {
    SCOPED_TRACE(file);
    std::filesystem::remove_all(in_folder("m"));
    std::filesystem::copy(golden("hf-tiny"), in_folder("m"));
    std::ofstream(in_folder("m/" + file), std::ios::binary) << text;
    const Outcome outcome = adder({"inspect", in_folder("m")});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err, "");
    EXPECT_EQ(printable(outcome.err, "\n"), outcome.err);
  };
  expect_plain("config.json", "{\"model_type\": \"\x1b[2J\xc2\x9b\"}");
  expect_plain("config.json", "{\"hidden_size\": \xff\xfe\x1b}");
  expect_plain("config.json", "{\"model_type\": \"\\u001b]0;x\\u0007\\u009b31m\"}");
  expect_plain("generation_config.json", "{\"top_k\": \"\\u009b31m\\u001b\"}");
  std::string header = R"({"\u001b[2J\u009b":{"dtype":"\u001bF32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(128, ' ');
  expect_plain("model.safetensors", std::string("\x80\0\0\0\0\0\0\0", 8) + header + "abcd");
}

TEST_F(Streams, NoMemoryIsSaidAndIsNoBug) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more addresses than the limit leaves";
#endif
  std::string ids;
  for (int i = 0; i < 4'000'000; ++i) ids += "1 ";
  std::ofstream(in_folder("ids")) << ids;
  const Outcome outcome =
      in_shell(R"(ulimit -v $LIMIT; exec "$0" "$@")",
               {"forward", "-m", golden("hf-tiny"), "--ids-file", in_folder("ids"), "--out", in_folder("o")},
               {{"LIMIT", "60000"}});
  expect_failure(outcome, 1, "out of memory");
  EXPECT_THAT(outcome.err, Not(HasSubstr("bug in Adder")));
}

}  // namespace
}  // namespace adder::test
