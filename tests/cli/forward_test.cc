#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::StartsWith;

struct Case {
  std::string golden;
  bool split;
};

class ForwardParity : public CliTest, public ::testing::WithParamInterface<Case> {};

/// docs/PARITY.md: hidden 5e-5 absolute at unit scale, logits and states 1e-4 of the largest.
bool close_enough(const std::string& name, const Comparison& c) {
  if (!name.starts_with("hidden") && name != "final_hidden") return c.within(0, 1e-4);
  return c.scale > 1 ? c.within(0, 5e-5) : c.within(5e-5, 0);
}

/// 1, 3, 64 and 257 as far as they fit.
std::string pieces(std::size_t tokens) {
  std::string out;
  for (const std::size_t piece : {1u, 3u, 64u, 257u}) {
    if (piece >= tokens) break;
    tokens -= piece;
    out += fmt::format("{}{}", out.empty() ? "" : ",", piece);
  }
  return out;
}

TEST_P(ForwardParity, MatchesTheReference) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const auto& [name, split] = GetParam();
  const Tensors expected(golden(name) / "expected.safetensors");
  const Ids ids = expected.ids("input_ids");
  std::vector<std::string> words{"forward",   "-m",    golden(name),
                                 "--dtype",   "f32",   "--ids",
                                 joined(ids), "--out", in_folder("out.safetensors")};
  if (split) words.insert(words.end(), {"--split", pieces(ids.size())});
  const Outcome outcome = adder(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");

  const Tensors actual(in_folder("out.safetensors"));
  std::vector<std::string> wanted;
  for (const std::string& tensor : expected.names()) {
    if (tensor.starts_with("greedy_")) continue;
    wanted.push_back(tensor);
    EXPECT_EQ(actual.dims(tensor), expected.dims(tensor)) << tensor;
    if (tensor == "input_ids") {
      EXPECT_EQ(actual.ids(tensor), ids);
      continue;
    }
    const Comparison c = compare(actual.floats(tensor), expected.floats(tensor));
    EXPECT_TRUE(close_enough(tensor, c)) << tensor << ": " << to_string(c);
  }
  EXPECT_THAT(actual.names(), ::testing::UnorderedElementsAreArray(wanted));
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const std::string& name : kGoldens)
    for (const bool split : {false, true}) out.push_back({name, split});
  return out;
}

INSTANTIATE_TEST_SUITE_P(Goldens, ForwardParity, ::testing::ValuesIn(all_cases()), [](const auto& c) {
  std::string name = c.param.golden + (c.param.split ? "_split" : "_whole");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

using Forward = CliTest;

TEST_F(Forward, ReadsIdsFromAFileInAnyLayout) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  std::ofstream(in_folder("ids")) << "7, 8\n9\t10\n";
  const Outcome outcome = adder({"forward", "-m", golden("hf-tiny"), "--ids-file", in_folder("ids"), "--out",
                                 in_folder("out.safetensors")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(Tensors(in_folder("out.safetensors")).ids("input_ids"), ElementsAreArray({7, 8, 9, 10}));
}

TEST_F(Forward, WrongSplitsAreUsageErrors) {
  const std::vector<std::string> words{"forward", "-m",    golden("hf-tiny"), "--ids",
                                       "1,2,3",   "--out", in_folder("o")};
  const auto with = [&](const std::string& split) {
    auto all = words;
    all.insert(all.end(), {"--split", split});
    return adder(all);
  };
  expect_failure(with("2,2"), 2, "--split: the pieces hold more than the 3 tokens");
  expect_failure(with("0"), 2, "--split: a piece of 0 tokens");
  expect_failure(with("1,a"), 2, "--split: \"a\" is not a whole number");
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(Forward, AFailureLeavesNoFileBehind) {
  const auto model = golden("hf-tiny");
  expect_failure(
      adder({"forward", "-m", model, "--ids", "1,512", "--out", in_folder("o"), "--plugin", test_plugin()}),
      1, "");
  expect_failure(adder({"forward", "-m", model, "--ids-file", in_folder("none"), "--out", in_folder("o")}), 1,
                 "none");
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
  if (test_plugin().empty()) return;
  expect_failure(adder({"forward", "-m", model, "--ids", "1", "--out", in_folder("no/such/folder")}), 1,
                 "no/such");
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(Forward, DumpsTheProgramsItRuns) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const Outcome outcome = adder({"forward", "-m", golden("hf-tiny"), "--ids", "1", "--out", in_folder("o"),
                                 "--dump-hlo", in_folder("hlo"), "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::ifstream text(in_folder("hlo/extend_b1_t1_all.mlir"));
  std::string line;
  std::getline(text, line);
  EXPECT_THAT(line, StartsWith("module"));
}

}  // namespace
}  // namespace adder::test
