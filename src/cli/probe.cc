#include "cli/probe.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/descriptor_io.h"
#include "engine/platform.h"

namespace adder::cli {

namespace {

using Clock = std::chrono::steady_clock;

Result<OrderedJson> examine(const std::filesystem::path& path, std::string_view platform, bool verbose) {
  ADDER_TRY(const pjrt::Plugin plugin, pjrt::Plugin::open(path, {.verbose = verbose, .environment = {}}));
  ADDER_TRY(const pjrt::Client client, engine::create_client(plugin, platform));
  OrderedJson devices = OrderedJson::array();
  const auto all = client.devices();
  for (std::size_t i = 0; i < all.size(); ++i) {
    OrderedJson device{
        {"index", i}, {"id", all[i].id()}, {"kind", all[i].kind()}, {"description", all[i].description()}};
    if (const auto memory = all[i].memory_stats(); memory && memory->bytes_limit)
      device["memory_bytes"] = *memory->bytes_limit;
    devices.push_back(std::move(device));
  }
  return OrderedJson{{"api_version", to_string(plugin.api_version())},
                     {"platform", client.platform_name()},
                     {"platform_version", client.platform_version()},
                     {"devices", std::move(devices)}};
}

OrderedJson failure(std::string why, std::string hint = {}) {
  OrderedJson out{{"failure", std::move(why)}};
  if (!hint.empty()) out["hint"] = std::move(hint);
  return out;
}

std::string report(const std::filesystem::path& path, std::string_view platform, bool verbose) {
  auto found = examine(path, platform, verbose);
  const OrderedJson json = found ? *std::move(found) : failure(found.error().message, found.error().hint);
  return to_text(json);
}

/// Never returns: the child ends without running the parent's destructors or a plugin's.
[[noreturn]] void child(int out, const std::filesystem::path& path, std::string_view platform, bool verbose) {
  std::string text;
  try {
    text = report(path, platform, verbose);
  } catch (const std::exception& e) {
    text = to_text(failure(e.what()));
  }
  static_cast<void>(write_fully(out, text));
  ::_exit(0);
}

/// Reads to the end, or until the deadline; false if that came first.
bool read_all(int in, Clock::time_point deadline, std::string& text) {
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{in, POLLIN, 0};
    const int polled = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return false;
    const ssize_t n = ::read(in, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

OrderedJson probe_plugin(const std::filesystem::path& path, std::string_view platform, bool verbose,
                         std::chrono::seconds patience) {
  int ends[2];
  if (::pipe(ends) != 0) return failure(fmt::format("pipe: {}", std::strerror(errno)));
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    child(ends[1], path, platform, verbose);
  }
  ::close(ends[1]);
  std::string text;
  const bool in_time = pid > 0 && read_all(ends[0], Clock::now() + patience, text);
  ::close(ends[0]);
  if (pid < 0) return failure(fmt::format("fork: {}", std::strerror(errno)));
  if (!in_time) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return failure(fmt::format("no answer within {} s", patience.count()));
  if (WIFSIGNALED(status)) return failure(fmt::format("it crashed: {}", ::strsignal(WTERMSIG(status))));
  OrderedJson parsed = OrderedJson::parse(text, nullptr, false);
  if (parsed.is_discarded()) return failure("it ended the process while starting");
  return parsed;
}

}  // namespace adder::cli
