#pragma once

// For this room's tests.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/testing.h"
#include "hub/environment.h"
#include "hub/pull.h"
#include "hub/test_server.h"

namespace adder::hub::testing {

inline constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

/// Text without repetitions that a wrong offset could hide in.
std::string sample(std::size_t bytes, unsigned seed = 1);
std::string sha256_of(const std::string& content);
std::string git_sha1_of(const std::string& content);

/// A hub with one repository, org/model, at one commit: the three routes that a pull uses, with the headers
/// of the real one. Files over 4096 bytes are large: their metadata is in the answer that redirects to the
/// storage, whose own ETag is something else.
class FakeHub {
 public:
  FakeHub();

  std::map<std::string, std::string> files;
  std::string storage;  ///< where large files lie; empty: this server
  bool ranges = true;   ///< otherwise Range is ignored
  std::string token;    ///< asked for, if not empty
  /// Looked at first; nullopt: the honest answer. May be called from several threads.
  std::function<std::optional<Reply>(const ServedRequest&)> fault;
  /// Changes an honest answer.
  std::function<void(const ServedRequest&, Reply&)> touch;

  TestServer& server() { return server_; }
  /// Content behind "/storage/SHA256", as answered to a request, with ranges.
  Reply content(const ServedRequest& request, const std::string& content) const;
  Reply answer(const ServedRequest& request);

 private:
  Reply listing() const;
  Reply resolve(const ServedRequest& request, const std::string& path) const;

  TestServer server_;  // last: its threads use the rest
};

/// Remembers what it is told; calls `on_message` for each message, `on_begin` for each label.
class Recorder final : public LogSink, public Progress {
 public:
  bool enabled(LogLevel) const override { return true; }
  void log(LogLevel, std::string_view message) override;
  void begin(std::uint64_t bytes, std::string_view label) override;
  void advance(std::uint64_t bytes) override { done += bytes; }
  void end() override { ++ends; }

  bool heard(const std::string& part) const;

  std::function<void(std::string_view)> on_message, on_begin;
  std::uint64_t total = 0, done = 0;
  int ends = 0;
  std::vector<std::string> labels;  ///< of everything that began

 private:
  mutable std::mutex mutex_;  // guards messages_
  std::vector<std::string> messages_;
};

/// A user with an empty cache, whose hub is the fake one.
class Bench {
 public:
  Bench();

  Environment environment() const;
  Result<PullResult> pull() { return hub::pull(options, environment(), {recorder, stop}, recorder); }
  std::filesystem::path repository() const { return folder / "cache" / "models--org--model"; }
  /// Whether any file has a final name: blob, link or ref.
  bool anything_final() const;

  FakeHub hub;
  adder::testing::TempDirectory folder;
  std::map<std::string, std::string> variables;
  PullOptions options;
  Recorder recorder;
  const std::atomic<bool>* stop = nullptr;
};

}  // namespace adder::hub::testing
