#include "support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/testing.h"

namespace adder::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPoll{5};

void redirect(const std::string& path, int to) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(126);
}

}  // namespace

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Environment& environment, const std::function<void()>& in_child) {
  const std::string out = folder_.path() / "out", err = folder_.path() / "err";
  pid_ = ::fork();
  if (pid_ != 0) return;
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  std::string name = program.string();
  std::vector<std::string> words = arguments;
  std::vector<char*> argv{name.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (in_child) in_child();
  ::execv(name.c_str(), argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

void Process::send(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

bool Process::ended() {
  if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

bool Process::wait_for_output(std::chrono::seconds patience) {
  const auto deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(folder_.path() / "out", missing);
    if (!missing && size > 0) return true;
    if (ended()) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return false;
}

bool Process::wait_for_error(const std::string& text, std::chrono::seconds patience) {
  const auto deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    if (adder::testing::read_file(folder_.path() / "err").find(text) != std::string::npos) return true;
    if (ended()) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return false;
}

Outcome Process::wait(std::chrono::seconds patience) {
  const auto deadline = Clock::now() + patience;
  while (!ended()) {
    if (Clock::now() > deadline) send(SIGKILL);
    std::this_thread::sleep_for(kPoll);
  }
  Outcome outcome;
  if (WIFEXITED(status_)) outcome.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) outcome.signal = WTERMSIG(status_);
  outcome.out = adder::testing::read_file(folder_.path() / "out");
  outcome.err = adder::testing::read_file(folder_.path() / "err");
  return outcome;
}

}  // namespace adder::test
