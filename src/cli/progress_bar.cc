#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace adder::cli {

namespace {

constexpr int kBarWidth = 28;
constexpr std::chrono::milliseconds kPatience{200}, kInterval{80};

int terminal_columns(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;  // a bar that cannot be shown is no reason to fail
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

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

std::string render_progress(std::string_view label, std::uint64_t done, std::uint64_t total, double seconds,
                            int columns) {
  const double share =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const int filled = static_cast<int>(share * kBarWidth);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line = fmt::format("{} {:3.0f}% [{}{}] {} of {}", label, share * 100, std::string(filled, '#'),
                                 std::string(kBarWidth - filled, '-'), human_bytes(static_cast<double>(done)),
                                 human_bytes(static_cast<double>(total)));
  if (rate > 0)
    line += fmt::format(", {}/s, {:.1f} s left", human_bytes(rate),
                        static_cast<double>(total - std::min(done, total)) / rate);
  return line.substr(0, static_cast<std::size_t>(std::max(columns - 1, 0)));
}

void ProgressBar::begin(std::uint64_t total_bytes, std::string_view label) {
  const std::lock_guard lock(mutex_);
  label_ = label;
  total_ = total_bytes;
  done_ = 0;
  start_ = drawn_ = Clock::now();
  active_ = true;
}

void ProgressBar::advance(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  done_ += bytes;
  const auto now = Clock::now();
  if (active_ && now - start_ >= kPatience && now - drawn_ >= kInterval) draw();
}

void ProgressBar::end() {
  const std::lock_guard lock(mutex_);
  clear();
  active_ = false;
}

void ProgressBar::draw() {
  drawn_ = Clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  write_all(fd_, "\r\x1b[K" + render_progress(label_, done_, total_, seconds, terminal_columns(fd_)));
  visible_ = true;
}

void ProgressBar::clear() {
  if (visible_) write_all(fd_, "\r\x1b[K");
  visible_ = false;
}

}  // namespace adder::cli
