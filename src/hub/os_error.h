#pragma once

#include <filesystem>
#include <string_view>

#include "adder/error.h"

namespace adder::hub {

/// "PATH: cannot WHAT: the system's reason" for errno's value `code`. A full disk, quota or file size limit
/// is resource_exhausted and says that a later try goes on from here; everything else is internal.
tl::unexpected<Error> os_failure(const std::filesystem::path& path, std::string_view what, int code);

/// mkdir -p.
Status make_directories(const std::filesystem::path& directory);

}  // namespace adder::hub
