#pragma once

#include <filesystem>
#include <string_view>

#include "adder/error.h"
#include "base/files.h"

/// Files and folders under a hidden name until they are whole: ".NAME.0123abcd.SUFFIX" beside what they will
/// become. Whoever makes one holds its lock (flock) as long as it works on it, so that what a killed process
/// left can be told from what a living one writes, also across containers and after process ids come round.
namespace adder {

struct Unfinished {
  std::filesystem::path path;
  Descriptor lock;  ///< open on `path`: a file for writing, a folder for reading
};

/// Makes an empty file of that kind in `folder`, with the mode that the user's umask leaves. Errors:
/// not_found (no such folder), the system's reason, in terms of `folder`/`name`.
Result<Unfinished> make_unfinished_file(const std::filesystem::path& folder, std::string_view name,
                                        std::string_view suffix);
/// The same for a folder.
Result<Unfinished> make_unfinished_folder(const std::filesystem::path& folder, std::string_view name,
                                          std::string_view suffix);

/// Removes what processes that are gone left under such names in `folder`. Where the file system has no locks
/// nothing is removed; failures are ignored.
void sweep_leftovers(const std::filesystem::path& folder, std::string_view name, std::string_view suffix);

}  // namespace adder
