#pragma once

namespace adder::pjrt {

/// While it lives, what anything in this process writes to stderr is dropped, if `active`. For the calls in
/// which a plugin loads and starts its runtime: it logs then ("All log messages before
/// absl::InitializeLog()", what it misses on this machine), before it has read the variables that quieten it.
/// Errors that matter come back as errors. Thread rule: one at a time; other threads lose what they print
/// meanwhile.
class QuietStderr {
 public:
  explicit QuietStderr(bool active);
  ~QuietStderr();
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

 private:
  int saved_ = -1;  ///< a copy of the real stderr; -1: nothing was changed
};

/// Whether plugins are to be quiet: TF_CPP_MIN_LOG_LEVEL is 3, as Plugin::open sets it unless asked to be
/// verbose or overruled by the user.
bool plugins_are_quiet();

}  // namespace adder::pjrt
