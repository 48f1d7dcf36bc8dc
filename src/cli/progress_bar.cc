#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "base/descriptor_io.h"

namespace adder::cli {

namespace {

constexpr int kWidestBar = 28, kNarrowestBar = 4;
using std::chrono::milliseconds;
constexpr milliseconds kBarPatience{200}, kBarInterval{100}, kLinePatience{1000}, kLineInterval{10'000};

int terminal_columns(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// A bar that cannot be shown is no reason to fail.
void show(int fd, std::string_view text) { static_cast<void>(write_fully(fd, text)); }

}  // namespace

std::string human_bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 || bytes >= 99.95 ? 0 : 1, kUnits[unit]);
}

namespace {

double share(const ProgressMoment& m) {
  return std::min(1.0, static_cast<double>(m.done) / static_cast<double>(m.total));
}

/// "232 MB of 516 MB", ", 1.2 GB/s", ", 0.3 s left".
std::vector<std::string> numbers(const ProgressMoment& m) {
  const double rate = m.seconds > 0 ? static_cast<double>(m.done) / m.seconds : 0;
  const double left = rate > 0 ? static_cast<double>(m.total - std::min(m.done, m.total)) / rate : 0;
  std::vector<std::string> out;
  if (m.unit == ProgressUnit::steps) {
    out.push_back(fmt::format("{:.0f} s", m.seconds));
    if (rate > 0) out.push_back(fmt::format(", {:.0f} s left", left));
    return out;
  }
  out.push_back(fmt::format("{} of {}", human_bytes(static_cast<double>(m.done)),
                            human_bytes(static_cast<double>(m.total))));
  if (rate > 0) out.push_back(fmt::format(", {}/s", human_bytes(rate)));
  if (rate > 0) out.push_back(fmt::format(", {:.1f} s left", left));
  return out;
}

std::string cut(std::string text, std::ptrdiff_t columns) {
  const auto size = static_cast<std::size_t>(std::max<std::ptrdiff_t>(columns, 0));
  return text.size() > size ? text.substr(0, size) : text;
}

}  // namespace

std::string render_progress(const ProgressMoment& m, int columns) {
  const auto room = static_cast<std::ptrdiff_t>(columns) - 1;  // the last column makes some terminals wrap
  const bool known = m.total > 0 || m.unit == ProgressUnit::bytes;
  if (!known) {
    const std::string time = fmt::format("  {:.0f} s", m.seconds);
    return cut(cut(m.label, room - static_cast<std::ptrdiff_t>(time.size())) + time, room);
  }
  const double done = m.total == 0 ? 1.0 : share(m);
  const std::string percent = fmt::format(" {:3.0f}%", done * 100);
  std::string right = " ";
  for (const std::string& number : numbers(m)) {  // whole or not at all, those at the end first
    const std::string more = right == " " ? " " + number : number;
    if (static_cast<std::ptrdiff_t>(percent.size() + right.size() + more.size()) > room) break;
    right += more;
  }
  if (right == " ") right.clear();
  if (static_cast<std::ptrdiff_t>(percent.size()) > room) return "";
  const auto fixed = static_cast<std::ptrdiff_t>(percent.size() + right.size());
  const auto left = room - fixed - static_cast<std::ptrdiff_t>(m.label.size()) - 3;  // " [" and "]"
  std::string bar;
  if (left >= kNarrowestBar) {
    const auto width = static_cast<std::size_t>(std::min<std::ptrdiff_t>(left, kWidestBar));
    const auto filled = static_cast<std::size_t>(done * static_cast<double>(width));
    bar = " [" + std::string(filled, '#') + std::string(width - filled, '-') + "]";
  }
  return cut(cut(m.label, room - fixed) + percent + bar + right, room);
}

std::string describe_progress(const ProgressMoment& m) {
  if (m.total == 0) return fmt::format("{}: {:.0f} s", m.label, m.seconds);
  return fmt::format("{}: {:.0f}%, {:.0f} s", m.label, 100 * share(m), m.seconds);
}

ProgressBar::~ProgressBar() {
  {
    const std::lock_guard lock(mutex_);
    clear();
    stopping_ = true;
  }
  changed_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

void ProgressBar::begin(std::uint64_t total_bytes, std::string_view label) {
  start(total_bytes, label, ProgressUnit::bytes);
}

void ProgressBar::begin_steps(std::uint64_t total, std::string_view label) {
  start(total, label, ProgressUnit::steps);
}

void ProgressBar::start(std::uint64_t total, std::string_view label, ProgressUnit unit) {
  {
    const std::lock_guard lock(mutex_);
    moment_ = {.label = std::string(label), .done = 0, .total = total, .unit = unit, .seconds = 0};
    start_ = Clock::now();
    next_ = start_ + (style_ == Style::bar ? kBarPatience : kLinePatience);
    active_ = true;
    try {
      if (!ticker_.joinable()) ticker_ = std::thread([this] { tick(); });
    } catch (const std::system_error&) {  // no more threads: work goes on without a bar
    }
  }
  changed_.notify_all();
}

void ProgressBar::advance(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  moment_.done += bytes;
}

void ProgressBar::end() {
  const std::lock_guard lock(mutex_);
  clear();
  active_ = false;
}

void ProgressBar::tick() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!active_) {
      changed_.wait(lock);
    } else if (Clock::now() < next_) {
      changed_.wait_until(lock, next_);
    } else {
      draw();
      next_ = Clock::now() + (style_ == Style::bar ? kBarInterval : kLineInterval);
    }
  }
}

void ProgressBar::draw() {
  moment_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (style_ == Style::lines) {
    show(fd_, describe_progress(moment_) + "\n");
    return;
  }
  show(fd_, "\r\x1b[K" + render_progress(moment_, terminal_columns(fd_)));
  visible_ = true;
}

void ProgressBar::clear() {
  if (visible_) show(fd_, "\r\x1b[K");
  visible_ = false;
}

}  // namespace adder::cli
