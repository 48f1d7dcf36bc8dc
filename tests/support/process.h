#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing.h"

namespace adder::test {

struct Outcome {
  int exit_code = -1;  ///< -1 if a signal ended it
  int signal = 0;
  std::string out, err;
};

/// A program being run, with its output going to files, so that neither side can block the other. Killed if
/// it is still there when the object goes.
class Process {
 public:
  /// `in_child` runs in the new process, before the program: only what is allowed after a fork.
  using Environment = std::vector<std::pair<std::string, std::string>>;  ///< set on top of this process's own
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
          const Environment& environment, const std::function<void()>& in_child = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  /// Whether it is over, without waiting.
  bool ended();
  /// Waits until it has written to stdout; false if it ended, or the patience did, before that.
  bool wait_for_output(std::chrono::seconds patience);
  /// Waits until `text` is in what it wrote to stderr; false as above.
  bool wait_for_error(const std::string& text, std::chrono::seconds patience);
  /// Waits for its end; kills it when the patience is over.
  Outcome wait(std::chrono::seconds patience = std::chrono::seconds(300));

 private:
  adder::testing::TempDirectory folder_;
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace adder::test
