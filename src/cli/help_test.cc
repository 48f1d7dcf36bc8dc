#include "cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/program.h"

namespace adder::cli {
namespace {

using ::testing::HasSubstr;

std::size_t longest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  return longest;
}

TEST(Wrap, BreaksAtBlanksAndIndents) {
  EXPECT_EQ(wrap("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrap("unbreakable it is", 5, 0), "unbreakable\nit is");
  EXPECT_EQ(wrap("a\nb", 80, 1), "a\n b");
  EXPECT_EQ(wrap("", 80, 1), "");
}

TEST(Help, EveryCommandHasTwoExamplesOfItsOwnAndFitsTheTerminal) {
  const Program program = make_program(80);
  for (const CLI::App* app : program.app->get_subcommands(nullptr)) {
    if (app->get_group().empty()) continue;  // hidden: the build's own
    SCOPED_TRACE(app->get_name());
    const std::string help = app->help("adder");
    std::size_t examples = 0;
    const std::string own = "\n  adder " + app->get_name();
    for (auto at = help.find(own); at != std::string::npos; at = help.find(own, at + 1)) ++examples;
    EXPECT_EQ(examples, 2U) << help;
    EXPECT_LE(longest_line(help), 100U) << help;
  }
}

TEST(Help, CommonOptionsComeFirstAndHelpItselfLast) {
  const Program program = make_program(80);
  const std::string help = find_command(*program.app, "generate")->help("adder");
  const auto at = [&](const char* text) { return help.find(text); };
  EXPECT_LT(at("\nCommon options:\n"), at("\nSampling:\n")) << help;
  EXPECT_LT(at("\nSampling:\n"), at("\nModel and device:\n"));
  EXPECT_LT(at("\nModel and device:\n"), at("\nOutput:\n"));
  EXPECT_LT(at("\nOutput:\n"), at("--help"));
  EXPECT_LT(at("--model"), at("\nSampling:\n"));
  EXPECT_THAT(help, HasSubstr("Usage: adder generate [options] "));
}

TEST(Help, NarrowTerminalsGetNarrowHelp) {
  const Program wide = make_program(110), narrow = make_program(60);
  const auto sampling = [](const Program& p) { return find_command(*p.app, "forward")->help(""); };
  EXPECT_GT(longest_line(sampling(wide)), 90U);
  const std::string help = sampling(narrow);
  EXPECT_LE(longest_line(help.substr(0, help.find("Examples:"))), 60U) << help;
}

}  // namespace
}  // namespace adder::cli
