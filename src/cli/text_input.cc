#include "cli/text_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>

#include "base/descriptor_io.h"
#include "base/files.h"

namespace adder::cli {
namespace {

constexpr std::uint64_t kLongestText = 256 << 20;  // devices such as /dev/zero have no end

/// The byte that "HH" at `text`'s beginning stands for.
bool parse_hex(std::string_view text, char& out) {
  unsigned value = 0;
  if (text.size() < 2 || std::from_chars(text.data(), text.data() + 2, value, 16).ptr != text.data() + 2)
    return false;
  out = static_cast<char>(value);
  return true;
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path) {
  if (path == "-") return read_to_end(STDIN_FILENO, "standard input", kLongestText);
  ADDER_TRY(const std::filesystem::file_type type, type_of(path));
  if (type == std::filesystem::file_type::directory)
    return fail(ErrorCode::invalid_argument, path.string() + ": is a directory, expected a file");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));  // a pipe or a device will do
  if (file.get() < 0 && errno == ENOENT)
    return fail(ErrorCode::not_found, path.string() + ": no such file", "- reads standard input");
  if (file.get() < 0) return system_failure(path, "open", errno);
  return read_to_end(file.get(), path, kLongestText);
}

Result<std::string> read_prompt_file(const std::filesystem::path& path) {
  ADDER_TRY(std::string text, read_text_file(path));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool stdin_holds_text() {
  struct stat status {};
  return ::isatty(STDIN_FILENO) == 0 && ::fstat(STDIN_FILENO, &status) == 0;
}

std::string unescape(std::string_view text) {
  static constexpr std::string_view kNames = "ntra0e'\"\\", kMeanings("\n\t\r\a\0\x1b'\"\\", 9);
  std::string out;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t known = text.size() > 1 ? kNames.find(text[1]) : std::string_view::npos;
    char byte = 0;
    if (known != std::string_view::npos) {
      out += kMeanings[known];
      text.remove_prefix(2);
    } else if (text.starts_with("\\x") && parse_hex(text.substr(2), byte)) {
      out += byte;
      text.remove_prefix(4);
    } else {
      out += '\\';
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace adder::cli
