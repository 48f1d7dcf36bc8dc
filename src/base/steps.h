#pragma once

#include <cstdint>
#include <string_view>

namespace adder {

/// What goes on while nobody sees a result (autotuning, compiling, measuring), and how far it has come;
/// Progress (base/log.h) is the same for bytes. Calls come in the order begin, advance..., end, from one
/// thread at a time. Implementations must not throw.
class Steps {
 public:
  virtual ~Steps() = default;
  /// `total` steps of similar length; 0 where nobody can tell how many.
  virtual void begin_steps(std::uint64_t total, std::string_view label) = 0;
  virtual void advance_steps(std::uint64_t n) = 0;  ///< this many more are done
  virtual void end_steps() = 0;                     ///< also called when the operation failed half way
};

/// Drops everything: the default. Stateless, alive for the whole program, safe from any thread.
Steps& null_steps();

/// Begins now, and ends when it goes out of scope, whichever way.
class StepsScope {
 public:
  StepsScope(Steps& steps, std::uint64_t total, std::string_view label) : steps_(steps) {
    steps_.begin_steps(total, label);
  }
  ~StepsScope() { steps_.end_steps(); }
  StepsScope(const StepsScope&) = delete;
  StepsScope& operator=(const StepsScope&) = delete;

  void advance(std::uint64_t n = 1) { steps_.advance_steps(n); }

 private:
  Steps& steps_;
};

}  // namespace adder
