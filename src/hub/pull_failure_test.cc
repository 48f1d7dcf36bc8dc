#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "hub/fake_hub.h"
#include "hub/pull.h"

namespace adder::hub {
namespace {

using adder::testing::read_file;
using adder::testing::write_file;
using testing::Bench;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Reply;
using testing::ServedRequest;
namespace fs = std::filesystem;

Reply status(int code, std::map<std::string, std::string> headers = {}) {
  return {code, std::move(headers), "<html>an error page</html>", {}, false, true};
}

bool is_weights(const ServedRequest& request) {
  return request.method == "GET" && request.path().starts_with("/storage/");
}

fs::path weights_blob(const Bench& bench) {
  return bench.repository() / "blobs" / testing::sha256_of(bench.hub.files.at("model.safetensors"));
}
fs::path weights_partial(const Bench& bench) { return weights_blob(bench).string() + ".incomplete"; }

// --- connections -----------------------------------------------------------------------------------------

TEST(PullResume, GoesOnAfterACut) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (is_weights(request) && request.header("range").empty()) reply.cut_after = 30'000;
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
  const auto asked = bench.hub.server().requests("GET", weights_blob(bench).filename().string());
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].header("range"), "bytes=30000-");
  EXPECT_EQ(result->bytes_fetched, result->bytes_total);
  EXPECT_EQ(bench.recorder.done, bench.recorder.total);
  EXPECT_TRUE(bench.recorder.heard("trying again"));
}

TEST(PullResume, GoesOnInALaterPull) {
  Bench bench;
  bench.options.retry.attempts = 1;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (is_weights(request) && request.header("range").empty()) reply.cut_after = 30'000;
  };
  const auto first = bench.pull();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::internal);
  EXPECT_THAT(first.error().message, Not(HasSubstr("signature"))) << "a signed URL is nobody's business";
  EXPECT_EQ(fs::file_size(weights_partial(bench)), 30'000u);
  EXPECT_FALSE(fs::exists(weights_blob(bench)));
  EXPECT_FALSE(fs::exists(bench.repository() / "snapshots"));
  EXPECT_FALSE(fs::exists(bench.repository() / "refs"));

  const auto second = bench.pull();
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_EQ(second->bytes_fetched, 70'000u + bench.hub.files["tokenizer.json"].size());
  EXPECT_EQ(read_file(second->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
}

TEST(PullResume, StartsOverWhereRangeIsIgnored) {
  Bench bench;
  bench.hub.ranges = false;
  int weights = 0;
  bench.hub.touch = [&](const ServedRequest& request, Reply& reply) {
    if (is_weights(request) && ++weights == 1) reply.cut_after = 30'000;
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
  EXPECT_EQ(result->bytes_fetched, result->bytes_total + 30'000);
  EXPECT_EQ(bench.recorder.done, bench.recorder.total) << "a bar never runs past its end";
}

TEST(PullResume, StartsOverWhenTheServerSendsAnotherRange) {
  Bench bench;
  fs::create_directories(bench.repository() / "blobs");
  write_file(weights_partial(bench), bench.hub.files["model.safetensors"].substr(0, 50'000));
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (is_weights(request) && reply.status == 206) reply.headers["Content-Range"] = "bytes 0-99999/100000";
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
}

TEST(PullResume, StartsOverAfter416) {
  Bench bench;
  fs::create_directories(bench.repository() / "blobs");
  write_file(weights_partial(bench), bench.hub.files["model.safetensors"].substr(0, 50'000));
  bench.hub.fault = [](const ServedRequest& request) -> std::optional<Reply> {
    if (is_weights(request) && !request.header("range").empty()) return status(416);
    return std::nullopt;
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
}

TEST(PullResume, FetchesAnewWhatBeganWrong) {
  Bench bench;
  fs::create_directories(bench.repository() / "blobs");
  write_file(weights_partial(bench), std::string(50'000, 'x'));
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
  EXPECT_EQ(bench.hub.server().requests("GET", weights_blob(bench).filename().string()).size(), 2u);
}

TEST(PullResume, DropsABeginningThatIsTooLong) {
  Bench bench;
  fs::create_directories(bench.repository() / "blobs");
  write_file(weights_partial(bench), std::string(100'001, 'x'));
  ASSERT_TRUE(bench.pull());
  EXPECT_EQ(read_file(weights_blob(bench)), bench.hub.files["model.safetensors"]);
}

TEST(PullResume, AllThereButTheNameNeedsNoRequest) {
  Bench bench;
  fs::create_directories(bench.repository() / "blobs");
  write_file(weights_partial(bench), bench.hub.files["model.safetensors"]);
  ASSERT_TRUE(bench.pull());
  EXPECT_TRUE(bench.hub.server().requests("GET", weights_blob(bench).filename().string()).empty());
}

TEST(PullRetry, ServerErrorsAreRetried) {
  Bench bench;
  std::map<std::string, int> seen;
  bench.hub.fault = [&](const ServedRequest& request) -> std::optional<Reply> {
    if (++seen[request.method + request.path()] > 1) return std::nullopt;
    return request.method == "HEAD" ? status(429, {{"Retry-After", "3600"}}) : status(503);
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "config.json"), bench.hub.files["config.json"]);
}

TEST(PullRetry, NotForEver) {
  Bench bench;
  bench.hub.fault = [](const ServedRequest&) { return status(500); };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::internal);
  EXPECT_THAT(result.error().message, HasSubstr("500"));
  EXPECT_EQ(bench.hub.server().requests().size(), 3u);
}

TEST(PullRetry, AServerThatIsSilentIsLeft) {
  Bench bench;
  bench.options.timeouts.stall = std::chrono::milliseconds(300);
  int weights = 0;
  bench.hub.touch = [&](const ServedRequest& request, Reply& reply) {
    if (is_weights(request) && ++weights == 1) {
      reply.cut_after = 10'000;
      reply.stall = true;
    }
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(weights, 2);
  EXPECT_TRUE(bench.recorder.heard("silent for 300 ms"));
  EXPECT_EQ(result->bytes_fetched, result->bytes_total);
}

TEST(PullRetry, NoServerAtAll) {
  Bench bench;
  {
    const testing::TestServer gone([](const ServedRequest&) { return Reply(); });
    bench.variables["HF_ENDPOINT"] = gone.url();
  }
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::internal);
  EXPECT_THAT(result.error().to_string(), HasSubstr("HF_ENDPOINT"));
}

TEST(PullRetry, AnEndlessRedirectEnds) {
  Bench bench;
  bench.hub.fault = [](const ServedRequest& request) {
    return Reply{302, {{"Location", request.target}}, "", {}, false, true};
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("redirects"));
}

TEST(PullStop, EndsADownloadAndKeepsWhatThereIs) {
  Bench bench;
  std::atomic<bool> stop = false;
  bench.stop = &stop;
  bench.hub.touch = [&](const ServedRequest& request, Reply& reply) {
    if (!is_weights(request)) return;
    reply.cut_after = 10'000;
    reply.stall = true;
    stop = true;
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_FALSE(fs::exists(weights_blob(bench)));
  EXPECT_EQ(bench.recorder.ends, 1);
}

// --- content ---------------------------------------------------------------------------------------------

TEST(PullVerify, WrongContentOfALargeFile) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (is_weights(request)) reply.body[12'345] ^= 1;
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  EXPECT_THAT(result.error().message, HasSubstr(testing::sha256_of(bench.hub.files["model.safetensors"])));
  EXPECT_FALSE(fs::exists(weights_blob(bench)));
  EXPECT_EQ(fs::file_size(weights_partial(bench)), 0u) << "the next pull must not go on from it";
  EXPECT_FALSE(fs::exists(bench.repository() / "snapshots"));
  EXPECT_EQ(bench.hub.server().requests("GET", weights_blob(bench).filename().string()).size(), 1u);

  bench.hub.touch = nullptr;
  EXPECT_TRUE(bench.pull());
}

TEST(PullVerify, WrongContentOfASmallFile) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (request.method == "GET" && request.path().ends_with("/config.json")) reply.body[3] ^= 1;
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(bench.anything_final());
}

TEST(PullVerify, MoreThanAnnounced) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (is_weights(request)) reply.body += "and more";
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(fs::exists(weights_blob(bench)));
}

TEST(PullVerify, LessThanAnnounced) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (!is_weights(request) || !request.header("range").empty()) return;
    reply.announce_length = false;  // so that curl cannot tell
    reply.body.resize(40'000);
  };
  const auto result = bench.pull();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(read_file(result->snapshot / "model.safetensors"), bench.hub.files["model.safetensors"]);
}

TEST(PullVerify, HeadersThatContradictTheListing) {
  const std::map<std::string, std::string> lies = {{"X-Repo-Commit", std::string(40, 'a')},
                                                   {"X-Linked-Size", "99999"},
                                                   {"X-Linked-Etag", std::string(64, 'a')}};
  for (const auto& lie : lies) {
    const auto& [name, value] = lie;
    Bench bench;
    bench.hub.touch = [&](const ServedRequest& request, Reply& reply) {
      if (request.method == "HEAD" && reply.status == 302) reply.headers[name] = value;
    };
    const auto result = bench.pull();
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, ErrorCode::corrupt);
    EXPECT_FALSE(bench.anything_final());
  }
}

TEST(PullVerify, NamesThatWouldEscape) {
  for (const char* name : {"../config.json", "/etc/config.json", "a/../../tokenizer.json", "a//b", "..",
                           "a\\..\\b.safetensors", "a\nb.safetensors", ""}) {
    Bench bench;
    bench.hub.files[name] = "gotcha";
    const auto result = bench.pull();
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, ErrorCode::corrupt) << name;
    EXPECT_FALSE(fs::exists(bench.repository())) << name;
  }
}

TEST(PullVerify, EtagsThatWouldEscape) {
  Bench bench;
  bench.hub.touch = [](const ServedRequest& request, Reply& reply) {
    if (request.path().find("/resolve/") != std::string::npos) reply.headers["ETag"] = "\"../../../../evil\"";
  };
  bench.hub.files["model.safetensors"] = "small";
  const auto result = bench.pull();  // the listing's own hash is used instead
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_FALSE(fs::exists(bench.folder / "evil"));
  EXPECT_FALSE(fs::exists(bench.folder / "cache" / "evil"));
}

TEST(PullVerify, AnswersThatAreNoHub) {
  for (const char* body : {"<html>", "[]", "{}", R"({"sha": "../../x", "siblings": []})",
                           R"({"sha": "0123456789abcdef0123456789abcdef01234567"})",
                           R"({"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [1]})"}) {
    Bench bench;
    bench.hub.fault = [&](const ServedRequest&) { return Reply{200, {}, body, {}, false, true}; };
    const auto result = bench.pull();
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code, ErrorCode::corrupt) << body;
  }
}

// --- refusals --------------------------------------------------------------------------------------------

TEST(PullRefused, WithoutAToken) {
  Bench bench;
  bench.hub.token = "hf_secret";
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::failed_precondition);
  EXPECT_THAT(result.error().message, HasSubstr("401"));
  EXPECT_THAT(result.error().hint, HasSubstr("HF_TOKEN"));
  EXPECT_EQ(bench.hub.server().requests().size(), 1u) << "asking again would not help";
}

TEST(PullRefused, WithAWrongToken) {
  Bench bench;
  bench.hub.token = "hf_secret";
  bench.variables["HF_TOKEN"] = "hf_wrong";
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::failed_precondition);
  EXPECT_THAT(result.error().message, HasSubstr("HF_TOKEN"));
  EXPECT_THAT(result.error().to_string(), Not(HasSubstr("hf_wrong")));
}

TEST(PullRefused, Gated) {
  Bench bench;
  bench.variables["HF_TOKEN"] = "hf_fine";
  bench.hub.fault = [](const ServedRequest& request) -> std::optional<Reply> {
    if (request.path().starts_with("/api/")) return std::nullopt;
    return status(403, {{"X-Error-Code", "GatedRepo"}, {"X-Error-Message", "Ask the authors"}});
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::failed_precondition);
  EXPECT_THAT(result.error().message, HasSubstr("org/model is gated"));
  EXPECT_THAT(result.error().hint, HasSubstr("accept its terms"));
}

TEST(PullRefused, NoSuchModelOrRevision) {
  Bench bench;
  bench.options.id = "org/other";
  const auto model = bench.pull();
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::not_found);
  EXPECT_THAT(model.error().message, HasSubstr("there is no model org/other"));

  bench.options.id = "org/model@refs/pr/1";
  const auto revision = bench.pull();
  ASSERT_FALSE(revision);
  EXPECT_EQ(revision.error().code, ErrorCode::not_found);
  EXPECT_THAT(revision.error().message, HasSubstr("org/model has no revision refs/pr/1"));
  EXPECT_EQ(bench.hub.server().requests("GET", "/revision/refs%2Fpr%2F1").size(), 1u);
  EXPECT_FALSE(bench.anything_final());
}

// --- disk ------------------------------------------------------------------------------------------------

/// While it lives no file of this process may grow beyond so many bytes: writing fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  sighandler_t handler_;
  rlimit before_{};
};

TEST(PullDisk, FullInTheMiddle) {
  Bench bench;
  {
    const FileSizeLimit limit(65'536);
    const auto result = bench.pull();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::resource_exhausted);
    EXPECT_THAT(result.error().message, HasSubstr(".incomplete"));
  }
  EXPECT_FALSE(fs::exists(weights_blob(bench)));
  EXPECT_FALSE(fs::exists(bench.repository() / "snapshots"));
  EXPECT_FALSE(fs::exists(bench.repository() / "refs"));
  EXPECT_EQ(bench.hub.server().requests("GET", weights_blob(bench).filename().string()).size(), 1u);

  const auto later = bench.pull();  // there is room again
  ASSERT_TRUE(later) << later.error().to_string();
  EXPECT_EQ(later->bytes_fetched, 100'000u - 65'536u + bench.hub.files["tokenizer.json"].size());
}

TEST(PullDisk, TooSmallFromTheStart) {
  Bench bench;
  const std::string huge = std::to_string(std::uint64_t{1} << 60);
  bench.hub.touch = [&](const ServedRequest& request, Reply& reply) {
    if (request.method == "HEAD" && reply.status == 302) reply.headers["X-Linked-Size"] = huge;
    if (const auto at = reply.body.find("\"size\":100000"); at != std::string::npos)
      while (reply.body.find("\"size\":100000") != std::string::npos)
        reply.body.replace(reply.body.find("\"size\":100000"), 13, "\"size\":" + huge);
  };
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(result.error().message, HasSubstr(huge.substr(0, 8)));
  EXPECT_TRUE(bench.hub.server().requests("GET", "config.json").empty()) << "not even the first file";
}

TEST(PullDisk, ACacheThatCannotBeMade) {
  Bench bench;
  write_file(bench.folder / "cache", "a file where the cache should be");
  const auto result = bench.pull();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr((bench.folder / "cache").string()));
}

}  // namespace
}  // namespace adder::hub
