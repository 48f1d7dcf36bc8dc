#include "cli/manual.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "base/testing.h"

namespace adder::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Sample {
  CLI::App app{"A program.", "adder"};
  std::string model, dtype = "f32", secret;
  int count = 1;
  bool loud = false;

  Sample() {
    CLI::App& run = *app.add_subcommand("run", "it's run: with [brackets]");
    run.add_option("-m,--model", model, ".dots and \\slashes, the user's own")
        ->type_name("DIR|FILE")
        ->envname("ADDER_SAMPLE");
    run.add_option("--dtype", dtype, "which one")
        ->check(CLI::IsMember({"f32", "bf16"}))
        ->type_name("TYPE")
        ->capture_default_str();
    run.add_option("-n", count, "how many")->check(CLI::NonNegativeNumber)->type_name("N");
    run.add_flag("--loud", loud, "loudly");
    run.add_option("--secret", secret, "not shown")->group("");
    app.add_subcommand("hidden", "not shown")->group("");
    run.footer("Examples:\n  adder run -m x");
  }
  std::string completions(const char* shell) const {
    const auto script = completion_script(app, shell);
    EXPECT_TRUE(script);
    return script ? *script : "";
  }
};

/// What `command` prints; the script is the file of that name in its folder.
std::string printed(const std::string& script, const std::string& command) {
  const adder::testing::TempDirectory folder;
  folder.write("script", script);
  std::string out;
  if (std::FILE* pipe = ::popen(("cd " + folder.path().string() + " && " + command + " 2>&1").c_str(), "r")) {
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
    if (::pclose(pipe) != 0) out += "[failed]";
  }
  return out;
}

std::string in_bash(const Sample& sample, const std::string& words) {
  const std::string count = "$((${#COMP_WORDS[@]} - 1))";
  return printed(sample.completions("bash"), "bash -c '. ./script; COMP_WORDS=(" + words + "); COMP_CWORD=" +
                                                 count + "; _adder; echo \"${COMPREPLY[@]}\"'");
}

TEST(ManPage, HoldsEveryShownOptionAndIsRoff) {
  const Sample sample;
  const std::string page = man_page(sample.app, "1.2.3");
  for (const char* part : {".TH ADDER 1 \"\" \"adder 1.2.3\"", ".SS \"adder run\"",
                           "\\fB\\-m\\fR, \\fB\\-\\-model\\fR \\fIDIR|FILE\\fR",
                           "\\&.dots and \\eslashes, the user's own [$ADDER_SAMPLE]", "\\fIf32|bf16\\fR",
                           "which one (default: f32)", "\\fB\\-n\\fR \\fIN\\fR", "\\fB\\-\\-loud\\fR\nloudly",
                           ".SH ENVIRONMENT\n.TP\n\\fBADDER_SAMPLE\\fR", "Examples:\n  adder run \\-m x"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("secret")));
  EXPECT_THAT(page, Not(HasSubstr("hidden")));
}

TEST(Completions, BashCompletesCommandsOptionsAndValues) {
  const Sample sample;
  EXPECT_EQ(in_bash(sample, "adder r"), "run\n");
  EXPECT_EQ(in_bash(sample, "adder run --d"), "--dtype\n");
  EXPECT_EQ(in_bash(sample, "adder run --dtype \"\""), "f32 bf16\n");
  EXPECT_EQ(in_bash(sample, "adder run --dtype b"), "bf16\n");
  EXPECT_EQ(in_bash(sample, "adder run -m scr"), "script\n");  // a file
  EXPECT_EQ(in_bash(sample, "adder run -n \"\""), "\n");       // a number: nothing to offer
  EXPECT_EQ(in_bash(sample, "adder run scr"), "script\n");
  EXPECT_EQ(in_bash(sample, "adder run --s"), "\n");
}

TEST(Completions, EachShellTakesItsScript) {
  const Sample sample;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = sample.completions(shell);
    EXPECT_THAT(script, HasSubstr("dtype"));
    EXPECT_THAT(script, Not(HasSubstr("secret")));
    if (std::system(fmt::format("command -v {} >/dev/null", shell).c_str()) != 0)
      continue;  // not on this machine
    EXPECT_EQ(printed(script, fmt::format("{} -n script", shell)), "") << shell;
  }
  EXPECT_THAT(
      sample.completions("zsh"),
      HasSubstr(R"('(-m --model)'{-m,--model}'[.dots and \slashes, the user'\''s own]:DIR|FILE:_files')"));
  EXPECT_THAT(sample.completions("zsh"), HasSubstr(R"('run:it'\''s run\: with [brackets]')"));
  EXPECT_THAT(sample.completions("fish"), HasSubstr("-l dtype -x -a 'f32 bf16' -d 'which one'"));
  EXPECT_THAT(sample.completions("fish"), HasSubstr("-s m -l model -r -F -d"));
  const auto other = completion_script(sample.app, "tcsh");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().hint, "bash, zsh or fish");
}

}  // namespace
}  // namespace adder::cli
