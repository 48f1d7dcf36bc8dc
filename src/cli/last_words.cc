#include "cli/last_words.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include "base/descriptor_io.h"
#include "base/exception.h"
#include "cli/command.h"
#include "cli/console.h"

namespace adder::cli {

namespace {

// Everything down to on_abort runs in a signal handler: no allocation, no locks, no stdio.

/// stderr as the process found it: while a plugin starts, descriptor 2 leads nowhere (pjrt/quiet_stderr.h).
int real_stderr = STDERR_FILENO;

void say(std::string_view text) { static_cast<void>(write_fully(real_stderr, text)); }

std::uintptr_t take_hex(std::string_view& text) {
  std::uintptr_t value = 0;
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text[0];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    value = value << 4 | static_cast<std::uintptr_t>(digit);
  }
  return value;
}

/// Whether a line of /proc/self/maps, "from-to perms offset device inode   path", is about `address`.
bool is_about(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t from = take_hex(line);
  if (!line.empty()) line.remove_prefix(1);
  return from <= address && address < take_hex(line);
}

void name_file(char* path, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    if (static_cast<unsigned char>(path[i]) < 0x20 || path[i] == 0x7f) path[i] = '?';
  say("error: ");
  say({path, size});
  say(": a part of it that is in use cannot be read any more: it was made shorter meanwhile, or its disk "
      "fails\n"
      "hint: to replace a file that may be in use, write another and rename it\n");
}

/// Names the file that is mapped at `address`; false if none is.
bool name_mapping_at(std::uintptr_t address) {
  static char line[PATH_MAX + 256], buffer[4096];  // one thread gets here; a thread's stack may be small
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  std::size_t length = 0;
  while (true) {
    const ssize_t n = ::read(maps, buffer, sizeof buffer);
    if (n <= 0) return false;
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] != '\n') {
        if (length < sizeof line) line[length++] = buffer[i];
        continue;
      }
      const std::string_view text(line, std::exchange(length, 0));
      if (!is_about(text, address)) continue;
      const std::size_t path = text.find('/');
      if (path != std::string_view::npos) name_file(line + path, text.size() - path);
      return path != std::string_view::npos;
    }
  }
}

std::atomic_flag dying = ATOMIC_FLAG_INIT;

extern "C" void on_bus_error(int signal, siginfo_t* info, void*) {
  while (dying.test_and_set()) ::pause();  // another thread is at it
  if (name_mapping_at(reinterpret_cast<std::uintptr_t>(info->si_addr)))
    ::_exit(static_cast<int>(ExitCode::failed));
  dying.clear();
  ::signal(signal, SIG_DFL);  // on return the instruction faults again
}

/// A plugin, or a library that it uses, checks something and gives up: XLA does so where it gets no thread.
extern "C" void on_abort(int) {
  say("error: the plugin, or a library that it uses, has ended the program (abort)\n"
      "hint: most often there was no thread or no memory left: `ulimit -u` and `ulimit -v` say what is "
      "allowed; "
      "-v shows more of what the plugin says\n");
  ::_exit(static_cast<int>(ExitCode::failed));
}

extern "C" void on_broken_pipe(int) {}

[[noreturn]] void on_terminate() {
  const std::exception_ptr exception = std::current_exception();
  if (!exception) std::abort();
  print_error_of(exception);
  ::_exit(static_cast<int>(ExitCode::failed));
}

void take_up_closed_streams() {
  const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDWR};  // so that using the first two fails
  for (int fd = 0; fd < 3; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF && ::open("/dev/null", wrong_way[fd]) != fd) return;
}

}  // namespace

void prepare_process() {
  take_up_closed_streams();
  if (const int copy = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3); copy >= 0) real_stderr = copy;
  struct sigaction bus {};
  bus.sa_sigaction = on_bus_error;
  sigemptyset(&bus.sa_mask);
  bus.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &bus, nullptr);
  ::signal(SIGABRT, on_abort);
  struct sigaction pipe {
  }, before{};
  pipe.sa_handler = on_broken_pipe;  // not SIG_IGN, which programs that we start would inherit
  sigemptyset(&pipe.sa_mask);
  pipe.sa_flags = SA_RESTART;
  if (::sigaction(SIGPIPE, nullptr, &before) == 0 && before.sa_handler == SIG_DFL)
    ::sigaction(SIGPIPE, &pipe, nullptr);
  std::set_terminate(on_terminate);
}

void end_by_broken_pipe() {
  struct sigaction now {};
  if (::sigaction(SIGPIPE, nullptr, &now) != 0 || now.sa_handler != on_broken_pipe) return;
  ::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
}

}  // namespace adder::cli
