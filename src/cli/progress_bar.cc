#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace adder::cli {

namespace {

constexpr std::size_t kBarWidth = 28, kLeastBarWidth = 3;
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

/// The label with a space after it in at most `room` characters: cut with "..." where that leaves some of it.
std::string shortened(std::string_view label, std::size_t room) {
  if (label.size() + 1 <= room) return std::string(label) + " ";
  return room < 8 ? "" : std::string(label.substr(0, room - 4)) + "... ";
}

/// " [####----]" as wide as `room` allows when `after` characters follow it; "" if too little is left.
std::string bar(double share, std::size_t room, std::size_t after) {
  constexpr std::size_t kFrame = 3;
  if (room < after + kFrame + kLeastBarWidth) return "";
  const std::size_t width = std::min(kBarWidth, room - after - kFrame);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format(" [{}{}]", std::string(filled, '#'), std::string(width - filled, '-'));
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
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const std::string percent = fmt::format("{:3.0f}%", share * 100);
  const std::string amount = fmt::format(" {} of {}", human_bytes(static_cast<double>(done)),
                                         human_bytes(static_cast<double>(total)));
  std::string speed, left;
  if (rate > 0) {
    speed = fmt::format(", {}/s", human_bytes(rate));
    left = fmt::format(", {:.1f} s left", static_cast<double>(total - std::min(done, total)) / rate);
  }
  const std::size_t room = static_cast<std::size_t>(std::max(columns - 1, 0));
  const std::size_t numbers = percent.size() + amount.size() + speed.size() + left.size();
  const std::string start = shortened(label, room > numbers ? room - numbers : 0);
  std::string line = start + percent;
  if (line.size() > room) return "";
  line += bar(share, room - line.size(), numbers - percent.size());
  for (const std::string& part : {amount, speed, left}) {
    if (line.size() + part.size() > room) break;
    line += part;
  }
  return line;
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
