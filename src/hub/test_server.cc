#include "hub/test_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>

namespace adder::hub::testing {
namespace {

constexpr int kTick = 20;  // milliseconds between two looks at stopping_

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, kTick) > 0;
}

/// The head of a request, up to the empty line; nullopt if the client went away.
std::optional<std::string> read_head(int fd, const std::atomic<bool>& stopping) {
  std::string head;
  while (head.find("\r\n\r\n") == head.npos) {
    if (stopping) return std::nullopt;
    if (!readable(fd)) continue;
    char buffer[4096];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return std::nullopt;
    head.append(buffer, static_cast<std::size_t>(n));
  }
  return head;
}

ServedRequest parse_head(const std::string& head) {
  ServedRequest out;
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  std::istringstream(line) >> out.method >> out.target;
  while (std::getline(lines, line) && line != "\r") {
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  return out;
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

TestServer::TestServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, any, size) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, any, &size) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

TestServer::~TestServer() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
}

std::vector<ServedRequest> TestServer::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

std::vector<ServedRequest> TestServer::requests(const std::string& method,
                                                const std::string& path_end) const {
  std::vector<ServedRequest> out = requests();
  std::erase_if(out, [&](const ServedRequest& request) {
    return request.method != method || !request.path().ends_with(path_end);
  });
  return out;
}

void TestServer::accept_all() {
  while (!stopping_) {
    if (!readable(listener_)) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    connections_.emplace_back([this, fd] {
      serve(fd);
      ::close(fd);
    });
  }
}

void TestServer::serve(int fd) {
  const auto head = read_head(fd, stopping_);
  if (!head) return;
  const ServedRequest request = parse_head(*head);
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
  }
  Reply reply = handler_(request);
  std::string text = fmt::format("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
  if (reply.announce_length) reply.headers.emplace("Content-Length", std::to_string(reply.body.size()));
  for (const auto& [name, value] : reply.headers) text += fmt::format("{}: {}\r\n", name, value);
  text += "\r\n";
  if (request.method != "HEAD")
    text += reply.body.substr(0, reply.cut_after.value_or(reply.stall ? 0 : reply.body.size()));
  send_all(fd, text);
  while (reply.stall && !stopping_) {
    char byte = 0;
    if (readable(fd) && ::recv(fd, &byte, 1, 0) <= 0) return;
  }
  ::shutdown(fd, SHUT_WR);
  while (!stopping_)  // lets the client read all before the socket goes
    if (char byte = 0; readable(fd) && ::recv(fd, &byte, 1, 0) <= 0) return;
}

}  // namespace adder::hub::testing
