
#include "base/testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::ElementsAreArray;

class State : public CliTest {
 protected:
  Outcome forward(const std::string& model, const Ids& ids, const std::string& out,
                  const std::vector<std::string>& more) {
    std::vector<std::string> words{"forward", "-m",        golden(model), "--dtype",     "f32",
                                   "--ids",   joined(ids), "--out",       in_folder(out)};
    words.insert(words.end(), more.begin(), more.end());
    return adder(words);
  }
};

TEST_F(State, ContinuingFromASnapshotEqualsOneRun) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const std::string model = "grouped-sharded-bf16-tiny";
  const Ids all = Tensors(golden(model) / "expected.safetensors").ids("input_ids");
  const Ids first(all.begin(), all.begin() + 50), second(all.begin() + 50, all.end());

  ASSERT_EQ(forward(model, all, "whole", {"--state-out", in_folder("whole.state")}).exit_code, 0);
  ASSERT_EQ(forward(model, first, "first", {"--state-out", in_folder("first.state")}).exit_code, 0);
  const Outcome last =
      forward(model, second, "second",
              {"--state-in", in_folder("first.state"), "--state-out", in_folder("second.state")});
  ASSERT_EQ(last.exit_code, 0) << last.err;

  const Tensors whole(in_folder("whole.state")), split(in_folder("second.state"));
  EXPECT_THAT(split.ids("tokens"), ElementsAreArray(all));
  auto metadata = split.metadata(), expected = whole.metadata();
  for (auto* m : {&metadata, &expected}) EXPECT_EQ(m->erase("checksum"), 1u);  // rounding differs
  EXPECT_EQ(metadata, expected);
  EXPECT_EQ(split.metadata().at("position"), std::to_string(all.size()));
  for (const std::string& tensor : whole.names()) {
    if (tensor == "tokens") continue;
    const Comparison c = compare(split.floats(tensor), whole.floats(tensor));
    EXPECT_TRUE(c.within(0, 1e-5)) << tensor << ": " << to_string(c);
  }
  const auto logits = Tensors(in_folder("whole")).floats("logits"),
             tail = Tensors(in_folder("second")).floats("logits");
  ASSERT_LT(tail.size(), logits.size());
  const Comparison c = compare(tail, std::span(logits).last(tail.size()));
  EXPECT_TRUE(c.within(0, 1e-5)) << to_string(c);
}

TEST_F(State, RefusesTheStateOfAnotherModel) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  ASSERT_EQ(forward("limits-bias-tiny", {1, 2}, "o", {"--state-out", in_folder("state")}).exit_code, 0);
  expect_failure(forward("hf-tiny", {3}, "p", {"--state-in", in_folder("state")}), 1,
                 "the state of another model");
  EXPECT_FALSE(std::filesystem::exists(in_folder("p")));
}

TEST_F(State, RefusesWhatIsNoSnapshotOrDamaged) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const std::string foreign = golden("hf-tiny") / "expected.safetensors";
  expect_failure(forward("hf-tiny", {3}, "p", {"--state-in", foreign}), 1, "not a state snapshot");
  expect_failure(forward("hf-tiny", {3}, "p", {"--state-in", in_folder("none")}), 1, "none");

  ASSERT_EQ(forward("hf-tiny", {1, 2}, "o", {"--state-out", in_folder("state")}).exit_code, 0);
  std::filesystem::copy(in_folder("state"), in_folder("cut"));
  std::filesystem::resize_file(in_folder("cut"), std::filesystem::file_size(in_folder("cut")) - 4);
  expect_failure(forward("hf-tiny", {3}, "p", {"--state-in", in_folder("cut")}), 1, "cut");

  std::string damaged = adder::testing::read_file(in_folder("state"));
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  adder::testing::write_file(in_folder("damaged"), damaged);
  expect_failure(forward("hf-tiny", {3}, "p", {"--state-in", in_folder("damaged")}), 1,
                 "damaged: its checksum");
}

}  // namespace
}  // namespace adder::test
