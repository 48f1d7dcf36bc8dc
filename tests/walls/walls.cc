#include "walls.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <string_view>

namespace adder::walls {
namespace {

namespace fs = std::filesystem;

struct Link {
  std::string room;
  int line = 0;
  bool for_tests = false;
};

struct Include {
  fs::path file;
  int line = 0;
  std::string path, room;
};

struct Room {
  std::string name;
  std::vector<Link> links;
  std::vector<Include> includes;
};

struct Word {
  std::string text;
  int line = 0;
};

// A CMake file's words and brackets, without its comments.
std::vector<Word> words_of(const fs::path& file) {
  std::ifstream in(file);
  static const std::regex kWord(R"([()]|[^\s()]+)");
  std::vector<Word> words;
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    text.resize(std::min(text.size(), text.find('#')));
    for (std::sregex_iterator at(text.begin(), text.end(), kWord), end; at != end; ++at)
      words.push_back({at->str(), line});
  }
  return words;
}

// The words of each call of `command` whose first word is `target`, without that one.
std::vector<Word> arguments_of(const std::vector<Word>& words, std::string_view command,
                               std::string_view target, bool& found) {
  std::vector<Word> arguments;
  for (std::size_t i = 0; i + 2 < words.size(); ++i) {
    if (words[i].text != command || words[i + 1].text != "(" || words[i + 2].text != target) continue;
    found = true;
    for (std::size_t j = i + 3; j < words.size() && words[j].text != ")"; ++j) arguments.push_back(words[j]);
  }
  return arguments;
}

void add_link(Room& room, const Word& word, bool for_tests) {
  constexpr std::string_view kOurs = "adder::";
  if (word.text.starts_with(kOurs))
    room.links.push_back({word.text.substr(kOurs.size()), word.line, for_tests});
}

void read_links(Room& room, const fs::path& file) {
  const std::vector<Word> words = words_of(file);
  bool found = false;
  std::string part;
  for (const Word& word : arguments_of(words, "adder_room", room.name, found)) {
    if (word.text == "SOURCES" || word.text == "LINK" || word.text == "TESTS" || word.text == "TEST_LINK")
      part = word.text;
    else if (part == "LINK" || part == "TEST_LINK")
      add_link(room, word, part == "TEST_LINK");
  }
  if (!found)
    throw std::runtime_error(fmt::format("{}: expected adder_room({} ...)", file.string(), room.name));
  for (const Word& word : arguments_of(words, "target_link_libraries", "adder_" + room.name, found))
    add_link(room, word, false);
  for (const Word& word : arguments_of(words, "target_link_libraries", room.name + "_test", found))
    add_link(room, word, true);
}

void read_includes(Room& room, const fs::path& file) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*"(([^/"]+)/[^"]*)")re");
  std::ifstream in(file);
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    std::smatch match;
    if (std::regex_search(text, match, kInclude)) room.includes.push_back({file, line, match[1], match[2]});
  }
}

bool is_source(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.ends_with(".h") || name.ends_with(".cc") || name.ends_with(".cc.in") || name.ends_with(".h.in");
}

bool is_for_tests(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.ends_with("_test.cc") || name.ends_with("testing.h");
}

std::map<std::string, Room> read_rooms(const fs::path& source) {
  std::map<std::string, Room> rooms;
  for (const auto& folder : fs::directory_iterator(source)) {
    if (!folder.is_directory()) continue;
    Room room{.name = folder.path().filename().string(), .links = {}, .includes = {}};
    read_links(room, folder.path() / "CMakeLists.txt");
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && is_source(entry.path())) files.push_back(entry.path());
    std::sort(files.begin(), files.end());  // so that faults come in one order everywhere
    for (const fs::path& file : files) read_includes(room, file);
    rooms.emplace(room.name, std::move(room));
  }
  return rooms;
}

void check_includes(const Room& room, const std::map<std::string, Room>& rooms,
                    std::vector<std::string>& faults) {
  for (const Include& include : room.includes) {
    const std::string where =
        fmt::format("{}:{}: includes \"{}\"", include.file.string(), include.line, include.path);
    if (include.room == "..") faults.push_back(where + ": expected the room's name, not a way around it");
    if (include.room == room.name || !rooms.contains(include.room)) continue;
    const bool linked = std::any_of(room.links.begin(), room.links.end(), [&](const Link& link) {
      return link.room == include.room && (!link.for_tests || is_for_tests(include.file));
    });
    if (!linked)
      faults.push_back(
          fmt::format("{}, but adder_room({}) does not link adder::{}", where, room.name, include.room));
  }
}

void check_links(const Room& room, const fs::path& source, const std::map<std::string, Room>& rooms,
                 std::vector<std::string>& faults) {
  for (const Link& link : room.links) {
    const std::string where = fmt::format(
        "{}:{}: links adder::{}", (source / room.name / "CMakeLists.txt").string(), link.line, link.room);
    if (!rooms.contains(link.room)) {
      faults.push_back(where + ", which is no room");
      continue;
    }
    const bool used = std::any_of(room.includes.begin(), room.includes.end(), [&](const Include& include) {
      return include.room == link.room && (link.for_tests || !is_for_tests(include.file));
    });
    if (!used) faults.push_back(where + ", but no file of the room includes anything of it");
  }
}

// Follows links from the last room of `way`; what comes back to a room of the way is a circle.
void check_circles(std::vector<std::string>& way, const std::map<std::string, Room>& rooms,
                   std::set<std::string>& done, std::vector<std::string>& faults) {
  const std::string name = way.back();
  for (const Link& link : rooms.at(name).links) {
    if (link.for_tests || !rooms.contains(link.room)) continue;
    const auto again = std::find(way.begin(), way.end(), link.room);
    if (again != way.end()) {
      faults.push_back(
          fmt::format("rooms link in a circle: {} -> {}", fmt::join(again, way.end(), " -> "), link.room));
    } else if (!done.contains(link.room)) {
      way.push_back(link.room);
      check_circles(way, rooms, done, faults);
      way.pop_back();
    }
  }
  done.insert(name);
}

}  // namespace

std::vector<std::string> faults_of(const fs::path& source) {
  const std::map<std::string, Room> rooms = read_rooms(source);
  std::vector<std::string> faults;
  std::set<std::string> done;
  for (const auto& [name, room] : rooms) {
    check_includes(room, rooms, faults);
    check_links(room, source, rooms, faults);
    std::vector<std::string> way{name};
    if (!done.contains(name)) check_circles(way, rooms, done, faults);
  }
  return faults;
}

std::vector<std::string> lines_that_name(const fs::path& source, const std::vector<std::string>& words,
                                         const std::vector<std::string>& allowed) {
  const std::regex wanted(fmt::format("\\b({})\\b", fmt::join(words, "|")));
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source)) {
    const std::string name = entry.path().filename().string(),
                      room = fs::relative(entry.path(), source).begin()->string();
    const bool is_code = name.ends_with(".cc") || name.ends_with(".h");
    if (!is_code || name.ends_with("_test.cc") || name.ends_with("testing.h")) continue;
    if (std::find(allowed.begin(), allowed.end(), room) != allowed.end()) continue;
    std::ifstream in(entry.path());
    std::string text;
    for (int line = 1; std::getline(in, text); ++line) {
      text.resize(std::min(text.size(), text.find("//")));
      if (std::regex_search(text, wanted))
        out.push_back(fmt::format("{}:{}", fs::relative(entry.path(), source).string(), line));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace adder::walls
