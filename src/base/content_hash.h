#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "adder/error.h"

namespace adder {

/// 64 bits of what `bytes` hold, several gigabytes a second: tells versions of a file apart, and is no
/// defence against somebody who wants two to agree. FNV-1a over little-endian words of 8 bytes, the upper
/// half of the sum folded into the lower after each, the length last.
std::uint64_t content_hash(std::span<const std::byte> bytes);

/// content_hash of a whole file as 16 hexadecimal digits. `memory` is a JSON file in which answers are kept
/// by the file's identity (its path, device, inode, size and times), so that a large file is read once and
/// not again until it changes; one that is missing, damaged or cannot be written only costs the reading.
/// Empty: nothing is remembered. Errors: those of MappedFile::open.
Result<std::string> content_hash(const std::filesystem::path& file, const std::filesystem::path& memory);

}  // namespace adder
