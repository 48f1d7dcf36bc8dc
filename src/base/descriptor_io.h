#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "adder/error.h"

// All bytes of an open descriptor, in as many calls of the system as that takes.
namespace adder {

/// What it still gives, to its end; messages call it `name`. Errors: the system's reason; unsupported (more
/// than `max_bytes`, as of a device without an end).
Result<std::string> read_to_end(int fd, const std::filesystem::path& name, std::uint64_t max_bytes);

/// Writes all of it: 0, or the errno that ended it, with some of it written. May be called in a signal
/// handler.
int write_fully(int fd, std::string_view bytes) noexcept;

}  // namespace adder
