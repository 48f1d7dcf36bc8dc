#include "hub/ensure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/cache.h"
#include "hub/fake_hub.h"
#include "hub/present.h"

namespace adder::hub {
namespace {

using adder::testing::read_file;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kCommit;
using testing::Reply;
using testing::ServedRequest;
namespace fs = std::filesystem;

class Ensure : public ::testing::Test {
 protected:
  Result<Ensured> ensure(Needs needs, Network network = Network::needed,
                         const std::vector<std::string>& include = {}) {
    const EnsureOptions options{include, network, bench.options.retry, bench.options.timeouts};
    return hub::ensure({"org", "model"}, needs, options, bench.environment(), {bench.recorder, nullptr},
                       bench.recorder);
  }
  std::size_t asked() { return bench.hub.server().requests().size(); }
  fs::path snapshot() const { return bench.repository() / "snapshots" / kCommit; }
  void go_offline() { bench.variables["HF_HUB_OFFLINE"] = "1"; }
  /// From now on no request is answered.
  void cut_the_wire() {
    bench.hub.fault = [](const ServedRequest&) { return Reply{503, {}, "", {}, false, true}; };
  }
  Bench bench;
};

TEST_F(Ensure, DownloadsOnceAndThenAsksNothing) {
  const auto first = ensure(Needs::model);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->path, snapshot());
  EXPECT_EQ(first->commit, kCommit);
  EXPECT_TRUE(first->asked);
  EXPECT_GT(first->bytes_fetched, 100'000u);
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"})
    EXPECT_EQ(read_file(first->path / file), bench.hub.files[file]);

  const std::size_t before = asked();
  for (const Needs needs : {Needs::model, Needs::weights}) {
    const auto again = ensure(needs);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(again->path, first->path);
    EXPECT_FALSE(again->asked);
    EXPECT_EQ(again->bytes_fetched, 0u);
  }
  EXPECT_EQ(ensure(Needs::tokenizer).value().path, snapshot() / "tokenizer.json");
  EXPECT_EQ(asked(), before);

  const auto refreshed = ensure(Needs::model, Network::refresh);
  ASSERT_TRUE(refreshed) << refreshed.error().to_string();
  EXPECT_TRUE(refreshed->asked);
  EXPECT_EQ(asked(), before + 1) << "the list, and nothing else";
}

TEST_F(Ensure, OfflineAsksNothingWhateverIsMissing) {
  go_offline();
  for (const Needs needs : {Needs::model, Needs::weights, Needs::tokenizer}) {
    const auto result = ensure(needs, Network::refresh);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::not_found);
    EXPECT_THAT(result.error().message, HasSubstr("HF_HUB_OFFLINE"));
  }
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Ensure, NeverMeansNever) {
  const auto result = ensure(Needs::model, Network::never);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
  EXPECT_THAT(result.error().hint, HasSubstr("adder pull org/model"));
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Ensure, OfflineWithACompleteModelItRuns) {
  ASSERT_TRUE(ensure(Needs::model));
  const std::size_t before = asked();
  go_offline();
  const auto result = ensure(Needs::model, Network::refresh);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->path, snapshot());
  EXPECT_EQ(asked(), before);
}

// As state-spaces' models: asked once whether there is a tokenizer, and never again.
TEST_F(Ensure, AModelKnownToHaveNoTokenizerIsComplete) {
  bench.hub.files.erase("tokenizer.json");
  ASSERT_TRUE(ensure(Needs::model));
  EXPECT_TRUE(fs::exists(bench.repository() / ".no_exist" / kCommit / "tokenizer.json"));
  const std::size_t before = asked();
  EXPECT_TRUE(ensure(Needs::model));
  EXPECT_EQ(asked(), before);
  const auto tokenizer = ensure(Needs::tokenizer);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::not_found);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("org/model: it has no tokenizer.json"));
}

TEST_F(Ensure, ATokenizerComesWithoutWeights) {
  bench.hub.files["tokenizer_config.json"] = "{}";
  const auto result = ensure(Needs::tokenizer);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->path, snapshot() / "tokenizer.json");
  EXPECT_TRUE(fs::exists(snapshot() / "tokenizer_config.json"));
  EXPECT_FALSE(fs::exists(snapshot() / "model.safetensors"));
  EXPECT_FALSE(fs::exists(snapshot() / "config.json"));
  EXPECT_EQ(ensure(Needs::weights, Network::never).error().code, ErrorCode::not_found);

  const auto model = ensure(Needs::model);  // what was missing, at the same commit
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(bench.hub.server().requests("GET", std::string("/revision/") + kCommit).size(), 1u);
  EXPECT_EQ(bench.hub.server().requests("GET", "/tokenizer.json").size(), 1u);
}

// As Python leaves it after loading the weights alone.
TEST_F(Ensure, WhatIsMissingIsFetchedAndTheRestKept) {
  ASSERT_TRUE(ensure(Needs::model));
  fs::remove(snapshot() / "tokenizer.json");
  EXPECT_FALSE(ensure(Needs::weights).value().asked);
  const auto result = ensure(Needs::model);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->asked);
  EXPECT_EQ(result->bytes_fetched, 0u) << "its blob was there";
  EXPECT_TRUE(fs::exists(snapshot() / "tokenizer.json"));

  fs::remove(snapshot() / "tokenizer.json");
  cut_the_wire();
  const auto cut = ensure(Needs::model);
  ASSERT_TRUE(cut) << cut.error().to_string();
  EXPECT_EQ(cut->path, snapshot());
  EXPECT_TRUE(bench.recorder.heard("without a tokenizer"));
}

TEST_F(Ensure, HalfASetOfShardsIsNoModel) {
  bench.hub.files = {{"config.json", "{}"},
                     {"model-00001-of-00002.safetensors", testing::sample(5000, 1)},
                     {"model-00002-of-00002.safetensors", testing::sample(5000, 2)},
                     {"model.safetensors.index.json", "{}"}};
  ASSERT_TRUE(ensure(Needs::model));
  EXPECT_FALSE(ensure(Needs::model).value().asked);
  for (const char* part :
       {"model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json"}) {
    const fs::path link = snapshot() / part;
    fs::remove(link);
    const auto offline = ensure(Needs::weights, Network::never);
    ASSERT_FALSE(offline) << part;
    EXPECT_THAT(offline.error().message, HasSubstr(part));
    EXPECT_TRUE(ensure(Needs::weights).value().asked) << part;
    EXPECT_TRUE(fs::exists(link));
  }
}

TEST_F(Ensure, AGgufByItsKind) {
  bench.hub.files = {{"m-Q4_K_M.gguf", testing::sample(5000, 1)}, {"m-Q8_0.gguf", testing::sample(6000, 2)}};
  EXPECT_THAT(ensure(Needs::model).error().message, HasSubstr("m-Q8_0.gguf"));
  const auto name = parse_hub_name("org/model:q8_0");
  ASSERT_TRUE(name);
  const auto result = ensure(Needs::model, Network::needed, name->include);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->path, snapshot() / "m-Q8_0.gguf");
  EXPECT_FALSE(fs::exists(snapshot() / "m-Q4_K_M.gguf"));
  EXPECT_FALSE(ensure(Needs::model, Network::needed, name->include).value().asked);
  const auto other = ensure(Needs::model, Network::never, parse_hub_name("org/model:Q4_K_M").value().include);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::not_found);
}

TEST_F(Ensure, TheOnlyGgufNeedsNoName) {
  bench.hub.files = {{"README.md", ""}, {"m-Q8_0.gguf", testing::sample(6000, 2)}};
  EXPECT_EQ(ensure(Needs::model).value().path, snapshot() / "m-Q8_0.gguf");
}

TEST_F(Ensure, SeveralThatFitAreNamed) {
  bench.hub.files = {{"a.gguf", testing::sample(5000, 1)}, {"b.gguf", testing::sample(6000, 2)}};
  bench.options.include = {"*.gguf"};
  ASSERT_TRUE(bench.pull());
  const auto result = ensure(Needs::model, Network::never);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::failed_precondition);
  EXPECT_THAT(ensure(Needs::model, Network::never, {"b*"}).value().path.filename(), fs::path("b.gguf"));
}

TEST(HubName, AsOnTheCommandLine) {
  const auto plain = parse_hub_name("org/model@v1");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id.revision, "v1");
  EXPECT_THAT(plain->include, IsEmpty());
  for (const char* text : {"org/model:F16@v1", "org/model@v1:F16"}) {
    const auto quant = parse_hub_name(text);
    ASSERT_TRUE(quant) << text;
    EXPECT_EQ(to_string(quant->id), "org/model@v1");
    const std::vector<RemoteFile> files{{"m-BF16.gguf", {}, "", ""}, {"m-f16.gguf", {}, "", ""}};
    const auto chosen = select_files(files, quant->include, quant->id);
    ASSERT_TRUE(chosen);
    ASSERT_EQ(chosen->size(), 1u) << "BF16 is another";
    EXPECT_EQ(chosen->front().path, "m-f16.gguf");
  }
  for (const char* text : {"org/model:", "org/model:*", "org/model:a/b", "model:Q8_0", "org/model:Q8_0:Q4_0"})
    EXPECT_EQ(parse_hub_name(text).error().code, ErrorCode::invalid_argument) << text;
}

TEST(HubName, TheUsualTokenizer) {
  for (const std::int64_t size : {50277, 50280, 50288, 50304})
    EXPECT_EQ(usual_tokenizer(size).value().repository(), "EleutherAI/gpt-neox-20b") << size;
  for (const std::int64_t size : {0, 501, 50276, 50400, 128000}) EXPECT_FALSE(usual_tokenizer(size)) << size;
}

TEST(Shards, KnowEachOther) {
  EXPECT_THAT(shards_with("model-00002-of-00002.safetensors"),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
  for (const char* path :
       {"model.safetensors", "x-1-of-2.bin", "-of-", "a-of-00002.bin", "a-00001-of-99999.bin"})
    EXPECT_THAT(shards_with(path), IsEmpty()) << path;
}

}  // namespace
}  // namespace adder::hub
