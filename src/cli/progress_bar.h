#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"

namespace adder::cli {

/// How a bar looks at one moment, without control characters: "loading weights  45% [####------]  232 of 516
/// MB, 1.2 GB/s, 0.3 s left". `seconds` is the time since it began; `columns` the terminal's width, which it
/// never exceeds. In a narrow terminal the bar shrinks and goes first, then the label; a number is shown
/// whole or not at all, the ones at the end going first.
std::string render_progress(std::string_view label, std::uint64_t done, std::uint64_t total, double seconds,
                            int columns);
/// "516 MB", "1.2 GB": powers of 1000.
std::string human_bytes(double bytes);

/// A bar that redraws itself in one line of a terminal, at most some ten times a second, and not at all for
/// what is over sooner than one can read. Leaves the line empty. Thread rule: any thread.
class ProgressBar final : public Progress {
 public:
  explicit ProgressBar(int fd) : fd_(fd) {}
  ~ProgressBar() override { end(); }

  void begin(std::uint64_t total_bytes, std::string_view label) override;
  void advance(std::uint64_t bytes) override;
  void end() override;

  /// Takes the bar off the screen while it lives, so that something else can be printed.
  class Pause {
   public:
    Pause() = default;
    explicit Pause(ProgressBar& bar) : lock_(bar.mutex_) { bar.clear(); }

   private:
    std::unique_lock<std::mutex> lock_;
  };
  Pause pause() { return Pause(*this); }

 private:
  using Clock = std::chrono::steady_clock;
  void clear();
  void draw();

  std::mutex mutex_;  // guards all below
  int fd_;
  std::string label_;
  std::uint64_t total_ = 0, done_ = 0;
  Clock::time_point start_, drawn_;
  bool active_ = false, visible_ = false;
};

}  // namespace adder::cli
