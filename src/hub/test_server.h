#pragma once

// For this room's tests.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace adder::hub::testing {

struct ServedRequest {
  std::string method, target;
  std::map<std::string, std::string> headers;  ///< names in lower case

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  std::string path() const { return target.substr(0, target.find('?')); }
};

struct Reply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<std::size_t> cut_after;  ///< closes the connection after so many bytes of the body
  bool stall = false;           ///< after cut_after (or nothing) it keeps the connection and is silent
  bool announce_length = true;  ///< otherwise the end of the connection ends the body
};

/// An HTTP/1.1 server on 127.0.0.1, on a port of the system's choice, that misbehaves as told. One thread a
/// connection, one request a connection. The handler may be called from several threads at once.
class TestServer {
 public:
  using Handler = std::function<Reply(const ServedRequest&)>;
  explicit TestServer(Handler handler);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<ServedRequest> requests() const;
  /// Those with this method whose path ends so.
  std::vector<ServedRequest> requests(const std::string& method, const std::string& path_end) const;

 private:
  void accept_all();
  void serve(int fd);

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // guards requests_
  std::vector<ServedRequest> requests_;
  std::vector<std::thread> connections_;  // of the accepting thread, then of the destructor
  std::thread acceptor_;
};

}  // namespace adder::hub::testing
