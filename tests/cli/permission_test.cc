#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli_fixture.h"

// What the system refuses: folders of somebody else, threads, room on a disk. Tests run as root too, whom it
// refuses nothing, so the program runs as a user whom nobody else here is.

namespace adder::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kStranger = 61234;
constexpr int kCannot = 126;  // what the child ends with where the test cannot be made

void become_stranger() {
  if (::geteuid() != 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setgid(kStranger) != 0 || ::setuid(kStranger) != 0) ::_exit(kCannot);
}

class Refused : public CliTest {
 protected:
  void SetUp() override {
    if (Process("/usr/bin/true", {}, {}, become_stranger).wait().exit_code == kCannot)
      GTEST_SKIP() << "this user may not run programs as another";
    fs::create_directory(in_folder("secret"));
    open_to_all(folder());
    program_ = reachable(ADDER_BINARY, "adder");
    fs::create_directory(in_folder("free"));
    open_to_all(in_folder("free"));
    fs::copy(golden("hf-tiny"), in_folder("model"));
  }
  void TearDown() override {
    std::error_code ignored;  // not there where the test was skipped
    fs::permissions(in_folder("secret"), fs::perms::owner_all, ignored);
  }

  static void open_to_all(const fs::path& path) { fs::permissions(path, fs::perms::all); }
  void close_to_all(const std::string& name) { fs::permissions(in_folder(name), fs::perms::none); }

  /// The file itself where a stranger may read and run it, else a copy in this test's folder.
  fs::path reachable(const fs::path& file, const std::string& name) {
    const Process::Environment none;
    if (Process("/usr/bin/test", {"-x", file.string()}, none, become_stranger).wait().exit_code == 0)
      return file;
    fs::copy_file(file, folder() / name);
    open_to_all(folder() / name);
    return folder() / name;
  }
  Outcome stranger(const std::vector<std::string>& words, const Process::Environment& more = {},
                   const std::function<void()>& then = {}) {
    Process::Environment environment{{"ADDER_CACHE", in_folder("free/cache")},
                                     {"HOME", in_folder("free")},
                                     {"ADDER_PLUGIN", plugin_},
                                     {"ADDER_NO_TUNE", "1"}};
    environment.insert(environment.end(), more.begin(), more.end());
    return Process(program_, words, environment,
                   [&] {
                     become_stranger();
                     if (then) then();
                   })
        .wait();
  }
  /// Makes the plugin reachable too; skips the test where there is none.
  void take_plugin() {
    need_plugin();
    if (!IsSkipped()) plugin_ = reachable(test_plugin(), "plugin.so").string();
  }

 private:
  fs::path program_;
  std::string plugin_;
};

TEST_F(Refused, AFolderThatMayNotBeEnteredIsToldAsThat) {
  fs::copy(golden("hf-tiny"), in_folder("secret/model"));
  std::ofstream(in_folder("secret/text")) << "w1";
  close_to_all("secret");
  const std::string model = in_folder("model"), secret = in_folder("secret");
  const auto expect_denied = [&](const std::vector<std::string>& words, const std::string& what) {
    SCOPED_TRACE(words.front());
    const Outcome outcome = stranger(words, {{"HF_HUB_CACHE", secret}, {"HF_HUB_OFFLINE", "1"}});
    expect_failure(outcome, 1, "Permission denied");
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(what), Not(HasSubstr("bug in Adder")))) << outcome.err;
  };
  expect_denied({"inspect", secret}, secret);
  expect_denied({"inspect", secret + "/model"}, secret + "/model");
  expect_denied({"convert", model, secret + "/out"}, secret + "/out");
  expect_denied({"quantize", model, secret + "/out"}, secret + "/out");
  expect_denied({"forward", model, "--ids", "1", "--out", secret + "/out"}, "--out: " + secret + "/out");
  expect_denied({"generate", model, "-f", secret + "/text"}, secret + "/text");
  expect_denied({"bench", model, "--suite", "paper", "--out", secret + "/out"}, secret + "/out");
  expect_denied({"generate", "org/model", "-p", "x"}, secret + "/models--org--model/refs/main");
  expect_denied({"pull", "org/model"}, secret + "/models--org--model/refs/main");
}

TEST_F(Refused, AFileThatMayNotBeReadIsNamed) {
  for (const std::string name : {"config.json", "model.safetensors"}) {
    const std::string file = "model/" + name;
    close_to_all(file);
    const Outcome outcome = stranger({"inspect", in_folder("model")});
    expect_failure(outcome, 1, in_folder(file) + ": cannot open: Permission denied");
    fs::permissions(in_folder(file), fs::perms::all);
  }
}

TEST_F(Refused, AFolderThatMayNotBeWrittenToIsToldBeforeTheWork) {
  fs::permissions(in_folder("secret"), fs::perms::owner_read | fs::perms::owner_exec |
                                           fs::perms::others_read | fs::perms::others_exec);
  const std::string out = in_folder("secret/out");
  expect_failure(stranger({"convert", in_folder("model"), out}), 1, "Permission denied");
  expect_failure(stranger({"forward", in_folder("nowhere"), "--ids", "1", "--out", out}), 1,
                 "--out: " + out + ": " + in_folder("secret") + ": cannot write there: Permission denied");
}

TEST_F(Refused, ACacheThatMayNotBeWrittenToIsNoFailure) {
  take_plugin();
  if (IsSkipped()) return;
  close_to_all("secret");
  const Outcome outcome = stranger({"generate", in_folder("model"), "--ids", "1", "-n", "2", "--json"},
                                   {{"ADDER_CACHE", in_folder("secret/cache")}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("warning: "), HasSubstr("Permission denied")));
}

// A plugin that gets no thread may do nothing but abort: also then the user reads why.
TEST_F(Refused, NoThreadsIsToldAsThat) {
  take_plugin();
  if (IsSkipped()) return;
  const std::vector<std::string> words{"generate", in_folder("model"), "--ids", "1", "-n", "2", "--json"};
  for (const rlim_t threads : {1, 2, 3, 5}) {
    SCOPED_TRACE(threads);
    // The search for leaks, which an instrumented program ends with, takes a thread too.
    const char* asan = std::getenv("ASAN_OPTIONS");
    const Process::Environment no_search{{"ASAN_OPTIONS", std::string(asan ? asan : "") + ":detect_leaks=0"}};
    const Outcome outcome = stranger(words, no_search, [threads] {
      const rlimit limit{threads, threads};
      if (::setrlimit(RLIMIT_NPROC, &limit) != 0) ::_exit(kCannot);
    });
    EXPECT_EQ(outcome.signal, 0);
    ASSERT_NE(outcome.exit_code, kCannot);
    EXPECT_THAT(outcome.err, Not(HasSubstr("bug in Adder")));
    if (threads > 1 && outcome.exit_code == 0) continue;  // an old plugin may need no more
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: "), HasSubstr("ulimit -u"))) << outcome.err;
  }
}

/// Runs a shell script in which "$0" is the program and mnt a disk of its own, that only it sees.
Outcome on_own_disk(const fs::path& folder, const std::string& options, const std::string& script,
                    const fs::path& model) {
  const std::string at = folder / "mnt";
  fs::create_directory(at);
  return Process("/bin/sh", {"-c", "cd \"$HERE\" && " + script, ADDER_BINARY, model.string()},
                 {{"HERE", folder.string()}},
                 [&] {
                   if (::unshare(CLONE_NEWNS) != 0 ||
                       ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                       ::mount("adder-test", at.c_str(), "tmpfs", 0, options.c_str()) != 0)
                     ::_exit(kCannot);
                 })
      .wait();
}

TEST_F(Refused, AMountPointIsFilledInPlace) {
  for (const std::string command : {"convert", "quantize"}) {
    const fs::path here = folder() / command;
    fs::create_directory(here);
    const Outcome outcome = on_own_disk(
        here, "size=64m", "\"$0\" " + command + " \"$1\" mnt && \"$0\" inspect mnt >inspected && ls -A mnt",
        golden("hf-tiny"));
    if (outcome.exit_code == kCannot) GTEST_SKIP() << "no file system may be mounted here";
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("config.json\n"), HasSubstr("model.safetensors\n"),
                                   Not(HasSubstr("partial"))));
  }
}

TEST_F(Refused, AFullDiskLeavesNothingHalfWritten) {
  const Outcome outcome = on_own_disk(folder(), "size=16k",
                                      "\"$0\" convert \"$1\" mnt; echo $?; ls -A mnt; "
                                      "\"$0\" convert \"$1\" mnt/new; echo $?; ls -A mnt",
                                      golden("hf-tiny"));
  if (outcome.exit_code == kCannot) GTEST_SKIP() << "no file system may be mounted here";
  EXPECT_EQ(outcome.out, "1\n1\n");
  EXPECT_THAT(outcome.err, HasSubstr(" bytes are free, "));
}

}  // namespace
}  // namespace adder::test
