#include <regex>
#include <sstream>

#include "base/testing.h"
#include "cli_fixture.h"

// What the documents say that a test can hold.

namespace adder::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> documents() {
  std::vector<fs::path> out;
  for (const char* name : {"README.md", "CONTRIBUTING.md"}) out.push_back(fs::path(ADDER_SOURCE_DIR) / name);
  for (const auto& entry : fs::directory_iterator(fs::path(ADDER_SOURCE_DIR) / "docs"))
    if (entry.path().extension() == ".md") out.push_back(entry.path());
  return out;
}

/// The calls of adder in code blocks and in the text, from the command on, without comments and what is
/// optional.
std::vector<std::string> command_lines(const fs::path& document) {
  static const std::regex kCall("^(?:.*\\| *|(?:[A-Z_]+=\\S+ )*)(?:build/|\\./)?adder ([a-z].*)$");
  static const std::regex kLeftOut(" +#.*$|\\[[^\\]]*\\]| \\.\\.\\.| > .*$");
  std::istringstream text(adder::testing::read_file(document));
  std::vector<std::string> out;
  bool code = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) code = !code;
    std::smatch found;
    if (!code || !std::regex_match(line, found, kCall)) continue;
    const std::string call = std::regex_replace(found[1].str(), kLeftOut, "");
    if (call.find("  ") == std::string::npos) out.push_back(call);  // no line of a table of commands
  }
  static const std::regex kInline("`adder ([a-z][^`|<]*)`"), kOptional("\\[[^\\]]*\\]|\n");
  const std::string all = adder::testing::read_file(document);
  for (std::sregex_iterator at(all.begin(), all.end(), kInline), end; at != end; ++at)
    out.push_back(std::regex_replace((*at)[1].str(), kOptional, " "));
  return out;
}

using Documents = CliTest;

TEST_F(Documents, EveryCommandLineHasOnlyOptionsThatExist) {
  std::size_t lines = 0;
  for (const fs::path& document : documents())
    for (const std::string& line : command_lines(document)) {
      SCOPED_TRACE(document.filename().string() + ": adder " + line);
      ++lines;
      const Outcome outcome =
          Process("/bin/sh", {"-c", "exec \"" ADDER_BINARY "\" " + line + " --help"}, {}).wait();
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    }
  EXPECT_GT(lines, 50u) << "the documents were not understood";
}

TEST_F(Documents, EveryLinkLeadsToAFile) {
  static const std::regex kLink("\\]\\(([^)#]+)(#[^)]*)?\\)");
  std::size_t links = 0;
  for (const fs::path& document : documents()) {
    const std::string text = adder::testing::read_file(document);
    for (std::sregex_iterator at(text.begin(), text.end(), kLink), end; at != end; ++at) {
      const std::string target = (*at)[1];
      if (target.starts_with("http")) continue;
      ++links;
      EXPECT_TRUE(fs::exists(document.parent_path() / target)) << document.filename() << ": " << target;
    }
  }
  EXPECT_GT(links, 30u);
}

/// Every variable that the sources read is in the table.
TEST_F(Documents, EveryEnvironmentVariableIsListed) {
  static const std::regex kVariable(
      "\"((?:ADDER|HF|HUGGING_FACE|HUGGINGFACE|PJRT|XDG|TF|TPU|XLA|LIBTPU|REQUESTS|CURL|SSL|TRANSFORMERS)_[A-"
      "Z_]+)\"");
  const std::string table = adder::testing::read_file(fs::path(ADDER_SOURCE_DIR) / "docs/ENVIRONMENT.md") +
                            adder::testing::read_file(fs::path(ADDER_SOURCE_DIR) / "docs/DEVICES.md");
  std::size_t variables = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(ADDER_SOURCE_DIR) / "src")) {
    if (entry.path().extension() != ".cc" || entry.path().stem().string().ends_with("_test")) continue;
    const std::string text = adder::testing::read_file(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), kVariable), end; at != end; ++at) {
      ++variables;
      EXPECT_NE(table.find((*at)[1]), std::string::npos) << entry.path() << ": " << (*at)[1];
    }
  }
  EXPECT_GT(variables, 20u);
}

}  // namespace
}  // namespace adder::test
