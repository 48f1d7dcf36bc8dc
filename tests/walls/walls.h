#pragma once

// Compares what the rooms of src/ include with what they link.

#include <filesystem>
#include <string>
#include <vector>

namespace adder::walls {

/// What is wrong with the rooms in `source`, a folder like src/, each fault with file and line; none is good:
///   - every `#include "room/..."` is of the file's own room or of one that the room's CMakeLists.txt links
///     itself (LINK of adder_room, or target_link_libraries; for *_test.cc and *testing.h also TEST_LINK);
///   - every room that is linked is included by some file that is not a test's;
///   - no room links itself, in one step or in several.
/// Throws std::runtime_error for a folder without adder_room(its name ...), and what the file system throws.
std::vector<std::string> faults_of(const std::filesystem::path& source);

/// Lines of code, tests and comments left out, that say one of `words` outside of the rooms `allowed`: file
/// and line of each.
std::vector<std::string> lines_that_name(const std::filesystem::path& source,
                                         const std::vector<std::string>& words,
                                         const std::vector<std::string>& allowed);

}  // namespace adder::walls
