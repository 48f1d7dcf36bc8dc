#include <signal.h>

#include <atomic>
#include <thread>

#include "base/testing.h"
#include "cli_fixture.h"
#include "hub/fake_hub.h"

// `adder pull` against a hub on the loopback interface.

namespace adder::test {
namespace {

using adder::testing::read_file;
using hub::testing::kCommit;
using hub::testing::Reply;
using hub::testing::ServedRequest;
using ::testing::HasSubstr;

class Pull : public CliTest {
 protected:
  void SetUp() override {
    for (const char* file : {"config.json", "model.safetensors"})
      hub.files[file] = read_file(golden("hf-tiny") / file);
    weights = hub::testing::sha256_of(hub.files["model.safetensors"]);
  }
  Process::Environment environment() {
    return {{"HF_ENDPOINT", hub.server().url()},
            {"HF_HUB_CACHE", in_folder("cache")},
            {"HF_HOME", in_folder("home")},
            {"HF_TOKEN", ""},
            {"HF_HUB_OFFLINE", ""},
            {"http_proxy", ""},
            {"all_proxy", ""},
            {"ALL_PROXY", ""}};
  }
  Outcome pull(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"pull", "org/model"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return adder(arguments, environment());
  }
  std::filesystem::path blob() const { return folder() / "cache/models--org--model/blobs" / weights; }
  std::filesystem::path snapshot() const { return folder() / "cache/models--org--model/snapshots" / kCommit; }
  /// The server stops in the middle of the weights; waits until the program has that much.
  void hold_back(std::size_t bytes) {
    hub.touch = [bytes](const ServedRequest& request, Reply& reply) {
      if (!request.path().starts_with("/storage/") || !request.header("range").empty()) return;
      reply.cut_after = bytes;
      reply.stall = true;
    };
  }
  bool wait_for_partial(std::size_t bytes) const {
    const std::filesystem::path partial = blob().string() + ".incomplete";
    for (int i = 0; i < 2000; ++i) {
      std::error_code error;
      if (std::filesystem::file_size(partial, error) == bytes && !error) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::string weights;  // their sha256
  hub::testing::FakeHub hub;
};

TEST_F(Pull, PrintsWhereTheModelIsAndInspectReadsIt) {
  const Outcome outcome = pull();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, snapshot().string() + "\n");
  EXPECT_THAT(outcome.err, HasSubstr("2 files"));
  EXPECT_EQ(json({"inspect", snapshot().string()})["architecture"], "mamba2");
}

TEST_F(Pull, Json) {
  const Outcome outcome = pull({"--json", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const Json result = Json::parse(outcome.out);
  EXPECT_EQ(result["model"], snapshot().string());
  EXPECT_EQ(result["commit"], kCommit);
  EXPECT_EQ(result["bytes_fetched"], result["bytes_total"]);
  EXPECT_EQ(result["files"].size(), 2u);
  EXPECT_EQ(Json::parse(pull({"--json"}).out)["bytes_fetched"], 0);
}

TEST_F(Pull, FailuresAreOneMessage) {
  hub.token = "hf_secret";
  expect_failure(pull(), 1, "HF_TOKEN");
  expect_failure(adder({"pull", "org"}, environment()), 2, "ORG/NAME");
  expect_failure(adder({"pull"}, environment()), 2, "MODEL is required");
}

TEST_F(Pull, KilledInTheMiddleLeavesNothingHalfWrittenAndGoesOn) {
  const std::size_t half = hub.files["model.safetensors"].size() / 2;
  hold_back(half);
  Process process = start({"pull", "org/model"}, environment());
  ASSERT_TRUE(wait_for_partial(half));
  process.send(SIGKILL);
  process.wait();
  EXPECT_FALSE(std::filesystem::exists(blob()));
  EXPECT_FALSE(std::filesystem::exists(snapshot()));

  const Outcome again = pull({"--json"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(Json::parse(again.out)["bytes_fetched"], hub.files["model.safetensors"].size() - half);
  EXPECT_EQ(read_file(snapshot() / "model.safetensors"), hub.files["model.safetensors"]);
}

TEST_F(Pull, InterruptedSaysThatItGoesOn) {
  const std::size_t half = hub.files["model.safetensors"].size() / 2;
  hold_back(half);
  Process process = start({"pull", "org/model"}, environment());
  ASSERT_TRUE(wait_for_partial(half));
  process.send(SIGINT);
  expect_failure(process.wait(), 130, "goes on from it");
}

}  // namespace
}  // namespace adder::test
