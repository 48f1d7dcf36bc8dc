#include "hub/fake_hub.h"

#include <fmt/format.h>

#include <random>
#include <span>
#include <utility>

#include "base/json.h"
#include "hub/digest.h"

namespace adder::hub::testing {
namespace {

constexpr std::size_t kLarge = 4096;

std::string digest_of(ChecksumKind kind, const std::string& content) {
  Digest digest = Digest::start(kind, content.size()).value();
  digest.update(std::as_bytes(std::span(content)));
  return digest.finish();
}

Reply missing(const std::string& code) { return {404, {{"X-Error-Code", code}}, "", {}, false, true}; }

}  // namespace

std::string sample(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string sha256_of(const std::string& content) { return digest_of(ChecksumKind::sha256, content); }
std::string git_sha1_of(const std::string& content) { return digest_of(ChecksumKind::git_sha1, content); }

FakeHub::FakeHub() : server_([this](const ServedRequest& request) { return answer(request); }) {}

Reply FakeHub::answer(const ServedRequest& request) {
  if (fault)
    if (auto reply = fault(request)) return *std::move(reply);
  Reply reply;
  const std::string resolve_prefix = fmt::format("/org/model/resolve/{}/", kCommit);
  const std::string path = request.path();
  if (path.starts_with("/storage/")) {
    reply = missing("");
    for (const auto& [name, text] : files)
      if (path == "/storage/" + sha256_of(text)) reply = content(request, text);
  } else if (!token.empty() && request.header("authorization") != "Bearer " + token) {
    reply.status = 401;
  } else if (path == "/api/models/org/model/revision/main" ||
             path == fmt::format("/api/models/org/model/revision/{}", kCommit)) {
    reply = listing();
  } else if (path.starts_with("/api/models/org/model/")) {
    reply = missing("RevisionNotFound");
  } else if (path.starts_with(resolve_prefix)) {
    reply = resolve(request, path.substr(resolve_prefix.size()));
  } else {
    reply = missing("RepoNotFound");
  }
  if (touch) touch(request, reply);
  return reply;
}

Reply FakeHub::listing() const {
  Json out{{"id", "org/model"}, {"sha", kCommit}, {"siblings", Json::array()}};
  for (const auto& [name, text] : files) {
    Json file{{"rfilename", name}, {"size", text.size()}, {"blobId", git_sha1_of(text)}};
    if (text.size() > kLarge) {
      file["blobId"] = std::string(40, 'e');  // of the pointer file
      file["lfs"] = {{"sha256", sha256_of(text)}, {"size", text.size()}, {"pointerSize", 134}};
    }
    out["siblings"].push_back(std::move(file));
  }
  Reply reply;
  reply.body = out.dump();
  return reply;
}

Reply FakeHub::resolve(const ServedRequest& request, const std::string& path) const {
  const auto found = files.find(path);
  if (found == files.end()) return missing("EntryNotFound");
  const std::string& text = found->second;
  Reply reply;
  if (text.size() > kLarge) {
    reply.status = 302;
    reply.headers = {{"X-Linked-Etag", fmt::format("\"{}\"", sha256_of(text))},
                     {"X-Linked-Size", std::to_string(text.size())},
                     {"Location", fmt::format("{}/storage/{}?signature=secret",
                                              storage.empty() ? server_.url() : storage, sha256_of(text))}};
  } else {
    reply = content(request, text);
    reply.headers["ETag"] = fmt::format("W/\"{}\"", git_sha1_of(text));
  }
  reply.headers["X-Repo-Commit"] = kCommit;
  return reply;
}

Reply FakeHub::content(const ServedRequest& request, const std::string& text) const {
  Reply reply;
  reply.headers["ETag"] = "\"the-storage-has-another\"";
  const std::string range = request.header("range");
  if (!ranges || !range.starts_with("bytes=")) {
    reply.body = text;
    return reply;
  }
  const std::size_t first = std::stoull(range.substr(6));
  if (first >= text.size()) {
    reply.status = 416;
    return reply;
  }
  reply.status = 206;
  reply.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", first, text.size() - 1, text.size());
  reply.body = text.substr(first);
  return reply;
}

void Recorder::log(LogLevel, std::string_view message) {
  {
    const std::scoped_lock lock(mutex_);
    messages_.emplace_back(message);
  }
  if (on_message) on_message(message);
}

void Recorder::begin(std::uint64_t bytes, std::string_view label) {
  total = bytes;
  labels.emplace_back(label);
  if (on_begin) on_begin(label);
}

bool Recorder::heard(const std::string& part) const {
  const std::scoped_lock lock(mutex_);
  for (const std::string& message : messages_)
    if (message.find(part) != message.npos) return true;
  return false;
}

Bench::Bench() {
  hub.files = {{"README.md", "# A model\n"},
               {"config.json", R"({"model_type": "mamba2"})"},
               {"tokenizer.json", R"({"version": "1.0"})"},
               {"model.safetensors", sample(100'000)},
               {"pytorch_model.bin", sample(90'000, 2)}};
  variables = {{"HF_HUB_CACHE", (folder / "cache").string()}, {"HF_ENDPOINT", hub.server().url() + "/"}};
  options.id = "org/model";
  options.retry = {3, std::chrono::milliseconds(1), std::chrono::milliseconds(20)};
  options.timeouts = {std::chrono::milliseconds(5000), std::chrono::seconds(20)};
}

Environment Bench::environment() const {
  return {[this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
          },
          folder.path()};
}

bool Bench::anything_final() const {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(repository(), error))
    if (!entry.is_directory() && entry.path().extension() != ".incomplete") return true;
  return false;
}

}  // namespace adder::hub::testing
