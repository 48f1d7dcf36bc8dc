#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "base/steps.h"

namespace adder::cli {

enum class ProgressUnit : std::uint8_t { bytes, steps };

/// One moment of a long operation.
struct ProgressMoment {
  std::string label;
  std::uint64_t done = 0, total = 0;  ///< total 0: nobody can tell
  ProgressUnit unit = ProgressUnit::bytes;
  double seconds = 0;  ///< since it began
};

/// How a bar looks, without control characters: "loading weights  45% [####------]  232 of 516 MB, 1.2 GB/s,
/// 0.3 s left"; of steps "autotuning  45% [####------]  3 s, 4 s left"; without a total "compiling  3 s". It
/// never exceeds the terminal's width, `columns`: the bar gives way first, then the label, the numbers last.
std::string render_progress(const ProgressMoment& moment, int columns);
/// The same as a line of a log: "autotuning: 45%, 3 s".
std::string describe_progress(const ProgressMoment& moment);
/// "516 MB", "1.2 GB": powers of 1000.
std::string human_bytes(double bytes);

/// Shows on a file descriptor what goes on. On a terminal: a bar that redraws itself in one line some ten
/// times a second, whether or not anything advances, and not at all for what is over sooner than one can
/// read. It leaves the line empty. Elsewhere (a pipe, a log): a line when something has gone on for a second,
/// and again every ten. One thing at a time: the latest that began. Thread rule: any thread.
class ProgressBar final : public Progress, public Steps {
 public:
  enum class Style { bar, lines };
  ProgressBar(int fd, Style style) : fd_(fd), style_(style) {}
  ~ProgressBar() override;

  void begin(std::uint64_t total_bytes, std::string_view label) override;
  void advance(std::uint64_t bytes) override;
  void end() override;
  void begin_steps(std::uint64_t total, std::string_view label) override;
  void advance_steps(std::uint64_t n) override { advance(n); }
  void end_steps() override { end(); }

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
  void start(std::uint64_t total, std::string_view label, ProgressUnit unit);
  void clear();
  void draw();
  void tick();

  std::mutex mutex_;  // guards all below but fd_ and style_
  std::condition_variable changed_;
  int fd_;
  Style style_;
  ProgressMoment moment_;
  Clock::time_point start_, next_;  // next_: when to draw
  bool active_ = false, visible_ = false, stopping_ = false;
  std::thread ticker_;  // from the first begin on
};

}  // namespace adder::cli
