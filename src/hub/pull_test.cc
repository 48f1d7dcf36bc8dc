#include "hub/pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "base/json.h"
#include "hub/cache.h"
#include "hub/fake_hub.h"
#include "hub/file_lock.h"

namespace adder::hub {
namespace {

using adder::testing::read_file;
using adder::testing::write_file;
using testing::Bench;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kCommit;
using testing::Recorder;
using testing::Reply;
using testing::ServedRequest;
namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Pull, FillsTheCacheInTheStandardLayout) {
  Bench bench;
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  const fs::path snapshot = bench.repository() / "snapshots" / kCommit;
  EXPECT_EQ(result->snapshot, snapshot);
  EXPECT_EQ(result->model, snapshot);
  EXPECT_EQ(result->commit, kCommit);
  EXPECT_THAT(names_in(snapshot), ElementsAre("config.json", "model.safetensors", "tokenizer.json"));
  for (const auto& file : result->files) {
    const std::string& content = bench.hub.files.at(file.path);
    EXPECT_EQ(read_file(snapshot / file.path), content);
    EXPECT_EQ(file.size, content.size());
    EXPECT_EQ(file.bytes_fetched, content.size());
    const std::string etag =
        content.size() > 4096 ? testing::sha256_of(content) : testing::git_sha1_of(content);
    EXPECT_EQ(fs::read_symlink(snapshot / file.path), fs::path("../../blobs") / etag);
  }
  EXPECT_EQ(names_in(bench.repository() / "blobs").size(), 3u) << "no .incomplete is left";
  EXPECT_EQ(read_file(bench.repository() / "refs" / "main"), kCommit);
  EXPECT_EQ(bench.recorder.done, result->bytes_total);
  EXPECT_EQ(bench.recorder.total, result->bytes_total);
  EXPECT_EQ(bench.recorder.ends, 1);
}

TEST(Pull, AsksOnlyForTheListWhenAllIsThere) {
  Bench bench;
  ASSERT_TRUE(bench.pull());
  const std::size_t before = bench.hub.server().requests().size();
  const auto again = bench.pull();
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->bytes_fetched, 0u);
  EXPECT_GT(again->bytes_total, 100'000u);
  EXPECT_EQ(bench.hub.server().requests().size(), before + 1);
}

TEST(Pull, MakesLinksInSubfoldersThatReachTheBlobs) {
  Bench bench;
  bench.hub.files["gguf/small.gguf"] = testing::sample(5000, 3);
  bench.options.include = {"gguf/*.gguf"};
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "gguf" / "small.gguf"), bench.hub.files["gguf/small.gguf"]);
  EXPECT_FALSE(fs::exists(result->snapshot / "model.safetensors"));
  EXPECT_EQ(result->model, result->snapshot / "gguf" / "small.gguf");
  EXPECT_EQ(locate("org/model", bench.environment()).value(), result->model);
}

TEST(Pull, EmptyFileIsAFile) {
  Bench bench;
  bench.hub.files["special_tokens_map.json"] = "";
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(fs::is_regular_file(result->snapshot / "special_tokens_map.json"));
}

TEST(Pull, EncodesNamesInUrls) {
  Bench bench;
  bench.hub.files["odd name+50%#1.gguf"] = "weights";
  bench.options.include = {"odd*"};
  const auto result = bench.pull();
  ASSERT_FALSE(result);  // the fake hub does not decode: what matters is what it was asked
  EXPECT_EQ(bench.hub.server().requests("HEAD", "/odd%20name%2B50%25%231.gguf").size(), 1u);
}

TEST(Pull, TakesMetadataFromTheListingWhereHeadersAreSilent) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest&, Reply& reply) {
    reply.headers.erase("ETag");
    reply.headers.erase("X-Linked-Etag");
    reply.headers.erase("X-Linked-Size");
    reply.headers.erase("X-Repo-Commit");
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "config.json"), bench.hub.files["config.json"]);
}

/// A mirror behind nginx, whose ETag is a file's time and size: the same for both shards.
void make_mirror_with_one_etag(Bench& bench) {
  bench.hub.files = {{"config.json", R"({"model_type": "mamba2"})"},
                     {"model-00001-of-00002.safetensors", testing::sample(5000, 1)},
                     {"model-00002-of-00002.safetensors", testing::sample(5000, 2)},
                     {"model.safetensors.index.json", "{}"}};
  bench.hub.touch = [](const ServedRequest&, Reply& reply) {
    reply.headers.erase("X-Linked-Etag");
    reply.headers["ETag"] = "\"65f0c1a2-1388\"";
  };
}

void expect_each_its_own(const Bench& bench, const fs::path& snapshot) {
  for (const auto& [name, content] : bench.hub.files) EXPECT_EQ(read_file(snapshot / name), content) << name;
}

TEST(Pull, FilesOfOneETagKeepTheirOwnContent) {
  Bench bench;
  make_mirror_with_one_etag(bench);
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  expect_each_its_own(bench, result->snapshot);
  for (const auto& [name, content] : bench.hub.files)
    EXPECT_EQ(fs::read_symlink(result->snapshot / name).filename(),
              content.size() > 4096 ? testing::sha256_of(content) : testing::git_sha1_of(content));
}

TEST(Pull, LinksToABlobNamedByAnETagAreMended) {
  Bench bench;
  make_mirror_with_one_etag(bench);
  const RepositoryCache cache(bench.folder / "cache", parse_model_id("org/model").value());
  fs::create_directories(cache.blob("x").parent_path());
  write_file(cache.blob("65f0c1a2-1388"), bench.hub.files["model-00001-of-00002.safetensors"]);
  for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    ASSERT_TRUE(cache.link(kCommit, shard, "65f0c1a2-1388"));
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  expect_each_its_own(bench, result->snapshot);
  EXPECT_TRUE(bench.hub.server().requests("GET", "model-00001-of-00002.safetensors").empty())
      << "what is right, by its content, is kept";
}

TEST(Pull, WithoutAnyHashNoFileIsTakenForAnother) {
  Bench bench;
  make_mirror_with_one_etag(bench);
  bench.hub.touch = [honest = bench.hub.touch](const ServedRequest& request, Reply& reply) {
    honest(request, reply);
    if (!request.path().starts_with("/api/")) return;
    Json listing = Json::parse(reply.body);
    for (Json& file : listing["siblings"]) {
      file.erase("lfs");
      file.erase("blobId");
    }
    reply.body = listing.dump();
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  expect_each_its_own(bench, result->snapshot);
  EXPECT_TRUE(bench.recorder.heard("the hub gives no hash"));
}

TEST(Pull, SendsTheTokenToTheHubAndNotToWhereItRedirects) {
  Bench bench;
  testing::TestServer storage([&](const ServedRequest& request) {
    return bench.hub.content(request, bench.hub.files["model.safetensors"]);
  });
  bench.hub.token = "hf_secret";
  bench.hub.storage = storage.url();
  bench.variables["HF_TOKEN"] = " hf_secret\n";
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  ASSERT_EQ(storage.requests().size(), 1u);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
  for (const auto& request : bench.hub.server().requests())
    EXPECT_EQ(request.header("authorization"), "Bearer hf_secret") << request.target;
}

TEST(Pull, KeepsTheTokenOnRedirectsWithinTheHub) {
  Bench bench;
  bench.hub.token = "hf_secret";
  bench.variables["HF_HOME"] = (bench.folder / "hf").string();
  fs::create_directory(bench.folder / "hf");
  write_file(bench.folder / "hf" / "token", "hf_secret\n");
  bench.hub.fault = [](const ServedRequest& request) -> std::optional<Reply> {
    if (!request.path().starts_with("/old/name/") && request.path().find("/old/name/") == std::string::npos)
      return std::nullopt;
    std::string target = request.target;
    return Reply{307, {{"Location", target.replace(target.find("old/name"), 8, "org/model")}}, "", {}, false,
                 true};
  };
  bench.options.id = "old/name";
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->snapshot, bench.folder / "cache" / "models--old--name" / "snapshots" / kCommit);
}

TEST(Pull, OfflineAsksNothing) {
  Bench bench;
  bench.variables["HF_HUB_OFFLINE"] = "1";
  const auto before = bench.pull();
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, ErrorCode::not_found);
  EXPECT_THAT(before.error().message, HasSubstr("HF_HUB_OFFLINE"));
  EXPECT_TRUE(bench.hub.server().requests().empty());

  bench.variables.erase("HF_HUB_OFFLINE");
  ASSERT_TRUE(bench.pull());
  const std::size_t asked = bench.hub.server().requests().size();
  bench.variables["HF_HUB_OFFLINE"] = "yes";
  const auto after = bench.pull();
  ASSERT_TRUE(after) << after.error().to_string();
  EXPECT_EQ(after->commit, kCommit);
  EXPECT_EQ(bench.hub.server().requests().size(), asked);
}

// The second pull is known to wait: the server holds back the weights until it has said so.
TEST(Pull, TwoAtOnceFetchEachFileOnce) {
  Bench bench;
  std::mutex mutex;
  std::condition_variable changed;
  bool asked = false, waiting = false;
  bench.hub.fault = [&](const ServedRequest& request) -> std::optional<Reply> {
    if (request.method == "GET" && request.path().starts_with("/storage/")) {
      std::unique_lock lock(mutex);
      asked = true;
      changed.notify_all();
      changed.wait_for(lock, std::chrono::seconds(20), [&] { return waiting; });
    }
    return std::nullopt;
  };
  Result<PullResult> first = fail(ErrorCode::internal, "not run");
  std::thread other([&] { first = bench.pull(); });
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return asked; }));
  }
  Recorder recorder;
  recorder.on_message = [&](std::string_view message) {
    const std::scoped_lock lock(mutex);
    waiting = waiting || message.find("waiting for another download") != message.npos;
    changed.notify_all();
  };
  const auto second = pull(bench.options, bench.environment(), {recorder, nullptr}, recorder);
  other.join();
  ASSERT_TRUE(first) << first.error().to_string();
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_TRUE(waiting);
  EXPECT_EQ(
      bench.hub.server().requests("GET", testing::sha256_of(bench.hub.files["model.safetensors"])).size(),
      1u);
  EXPECT_EQ(second->bytes_fetched, 0u);
  EXPECT_EQ(recorder.done, recorder.total);
}

TEST(Pull, ALargeFileListedByItsGitNameOnlyIsNotReadAtEveryPull) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (request.path().find("/api/models/") == std::string::npos) return;
    Json listing = Json::parse(reply.body);
    for (Json& file : listing["siblings"]) file.erase("lfs");
    reply.body = listing.dump();
  };
  ASSERT_TRUE(bench.pull());
  bench.recorder.labels.clear();
  const auto again = bench.pull();
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->bytes_fetched, 0u);
  EXPECT_THAT(bench.recorder.labels, ElementsAre("downloading org/model"));
}

/// As other programs leave it behind a mirror: the blob has the name of its ETag.
void rename_weights_by_etag(const Bench& bench) {
  const fs::path blobs = bench.repository() / "blobs";
  const fs::path link = bench.repository() / "snapshots" / testing::kCommit / "model.safetensors";
  fs::rename(blobs / fs::read_symlink(link).filename(), blobs / "65f0c1a2-1388");
  fs::remove(link);
  fs::create_symlink("../../blobs/65f0c1a2-1388", link);
}

TEST(Pull, ABlobThatIsReadToCheckItShowsProgressAndCanBeInterrupted) {
  Bench bench;
  ASSERT_TRUE(bench.pull());
  rename_weights_by_etag(bench);
  bench.recorder.labels.clear();
  bench.recorder.done = 0;
  ASSERT_TRUE(bench.pull());
  EXPECT_THAT(bench.recorder.labels, Contains("checking model.safetensors"));
  EXPECT_EQ(bench.recorder.done, bench.hub.files["model.safetensors"].size());

  std::atomic<bool> stop = false;
  bench.stop = &stop;
  bench.recorder.on_begin = [&](std::string_view label) { stop = label.starts_with("checking"); };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

TEST(Pull, AWaitingPullCanBeInterrupted) {
  Bench bench;
  const RepositoryCache cache(bench.folder / "cache", parse_model_id("org/model").value());
  const auto blob = testing::git_sha1_of(bench.hub.files["config.json"]);
  const auto held = FileLock::acquire(cache.lock(blob), {null_log(), nullptr}, [] {});
  ASSERT_TRUE(held);
  std::atomic<bool> stop = false;
  bench.stop = &stop;
  bench.recorder.on_message = [&](std::string_view message) {
    stop = stop || message.find("waiting") != message.npos;
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace adder::hub
