#include "report/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "report/svg.h"

extern char** environ;

namespace adder::report {

namespace {

/// In single quotes nothing is expanded; what could end them, and control characters, become spaces.
std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += c == '\'' || c == '"' || c == '`' || c == '\\' || byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return out + "'";
}

std::string axis(const Figure& f, Page page) {
  std::string out;
  if (f.log_x) out += "set logscale x\n";
  if (f.log_y) out += "set logscale y\n";
  if (!f.log_y) out += "set yrange [0:*]\n";
  if (!f.categories.empty()) {
    out += page == Page::narrow ? "set xtics rotate by 40 right (" : "set xtics (";
    for (std::size_t i = 0; i < f.categories.size(); ++i)
      out += fmt::format("{}{} {}", i ? ", " : "", single_quoted(f.categories[i]), i);
    return out + fmt::format(")\nset xrange [-0.6:{}]\n", static_cast<double>(f.categories.size()) - 0.4);
  }
  std::set<double> xs;
  for (const Line& line : f.lines)
    for (const auto& point : line.points) xs.insert(point.first);
  if (xs.empty()) return out;
  const double low = *xs.begin(), high = *xs.rbegin();
  if (f.log_x) out += fmt::format("set xrange [{}:{}]\n", low / 1.2, high * 1.2);
  if (!f.tick_values || xs.size() > 10) return out;
  out += "set xtics (";
  for (const double x : xs) out += fmt::format("{}{}", x == low ? "" : ", ", x);
  return out + ")\n";
}

/// The data of line i as a named block, and how it is drawn.
std::string data_block(const Line& line, std::size_t i, double shift) {
  std::string out = fmt::format("$d{} << EOD\n", i);
  for (const auto& [x, y] : line.points) out += fmt::format("{} {}\n", x + shift, y);
  return out + "EOD\n";
}

std::string drawn(const Line& line, std::size_t i, bool bars) {
  static constexpr const char* kDashes[] = {"1", "(10,6)", "(2,5)"};
  static constexpr int kPoints[] = {7, 5, 9, 11, 13};
  const std::string colour = single_quoted(ColourMark::series(line.colour));
  if (bars)
    return fmt::format("$d{} using 1:2 with boxes fc rgb {} title {}", i, colour, single_quoted(line.label));
  return fmt::format("$d{} using 1:2 with linespoints lw 2 dt {} pt {} ps 0.7 lc rgb {} title {}", i,
                     kDashes[line.dash % 3], kPoints[line.colour % 5], colour, single_quoted(line.label));
}

/// A folder for one run, gone with the object.
class Scratch {
 public:
  Scratch() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "adder-gnuplot-XXXXXX").string();
    if (!error && ::mkdtemp(name.data())) path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs `gnuplot arguments` with its output going to files of `scratch`; its exit status.
Result<int> spawn(const Scratch& scratch, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gnuplot");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, scratch.file("out").c_str(), kWrite, 0600);
  ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, scratch.file("err").c_str(), kWrite, 0600);
  pid_t child = -1;
  const int failed = ::posix_spawnp(&child, "gnuplot", &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (failed == ENOENT)
    return fail(ErrorCode::not_found, "the figures need gnuplot, and there is no such program on the PATH",
                "install it (Debian: apt-get install gnuplot-nox), then draw them from what was measured: "
                "adder bench --report FILE.json --out DIR");
  if (failed != 0)
    return fail(ErrorCode::internal, fmt::format("running gnuplot: {}", std::strerror(failed)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return fail(ErrorCode::internal, fmt::format("waiting for gnuplot: {}", std::strerror(errno)));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string gnuplot_script(const Figure& f, Page page) {
  const bool wide = page == Page::wide;
  const std::size_t key_lines = f.lines.size() > 1 ? (wide ? (f.lines.size() + 1) / 2 : f.lines.size()) : 0;
  std::string out = fmt::format(
      "set encoding utf8\n"
      "set terminal svg size {},{} dynamic noenhanced font 'sans-serif,14'\n"
      "set border 3 lc rgb '{text}'\nset tics nomirror textcolor rgb '{text}'\n"
      "set grid lc rgb '{grid}' dt 1 lw 0.6\nset key above {key} samplen 2 tc rgb '{text}'\n"
      "set xlabel {} tc rgb '{text}'\nset ylabel {} tc rgb '{text}'\nset format '%g'\n",
      wide ? 860 : 400, (wide ? 400 : 300) + 20 * key_lines, single_quoted(f.x_label),
      single_quoted(f.y_label),
      fmt::arg("key", wide ? "above maxcols 2 left reverse Left"
                           : "at screen 0.01,0.99 left top vertical maxcols 1 reverse Left"),
      fmt::arg("text", ColourMark::text()), fmt::arg("grid", ColourMark::grid()));
  if (key_lines == 0) out += "unset key\n";
  if (key_lines > 0 && !wide)
    out += fmt::format("set tmargin {:.1f}\n", 1.3 * static_cast<double>(key_lines) + 0.7);
  out += axis(f, page);
  const bool bars = !f.categories.empty();
  const double width = bars ? 0.8 / static_cast<double>(std::max<std::size_t>(f.lines.size(), 1)) : 0;
  if (bars) out += fmt::format("set boxwidth {}\nset style fill solid 0.85 noborder\n", 0.92 * width);
  std::string plot;
  for (std::size_t i = 0; i < f.lines.size(); ++i) {
    const double shift =
        width * (static_cast<double>(i) - static_cast<double>(f.lines.size()) / 2 + (bars ? 0.5 : 0));
    out += data_block(f.lines[i], i, shift);
    plot += (plot.empty() ? "plot " : ", ") + drawn(f.lines[i], i, bars);
  }
  if (plot.empty()) return out + "set xrange [0:1]\nset yrange [0:1]\nunset logscale\nplot NaN notitle\n";
  return out + plot + "\n";
}

Result<std::string> run_gnuplot(const std::string& script) {
  const Scratch scratch;
  if (scratch.path().empty())
    return fail(ErrorCode::internal, fmt::format("no temporary folder: {}", std::strerror(errno)));
  std::ofstream(scratch.file("script"), std::ios::binary) << script;
  ADDER_TRY(const int status, spawn(scratch, {"-d", scratch.file("script")}));
  if (status == 0) return contents(scratch.file("out"));
  return fail(ErrorCode::internal,
              fmt::format("gnuplot ended with status {}: {}", status, contents(scratch.file("err"))));
}

}  // namespace adder::report
