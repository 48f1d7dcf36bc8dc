#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "adder/error.h"
#include "base/dtype.h"
#include "formats/safetensors.h"

// What makes a safetensors file a snapshot, whatever tensors a model's state is made of: format, version,
// whose it is, and a checksum of every byte.
namespace adder::engine {

struct SnapshotFacts {
  std::uint64_t fingerprint = 0;    ///< of the model, see checkpoint::fingerprint_of
  std::string architecture;         ///< arch::Config::architecture, for people: the fingerprint says more
  std::int64_t position = 0;        ///< tokens absorbed
  DType weight_dtype = DType::f32;  ///< what the model computed with
};

/// Writes the tensors, contents[i] being the bytes of tensors[i], with metadata format "adder-state", version
/// "2", fingerprint (16 hexadecimal digits), architecture, position, dtype, and checksum. Atomically. Errors:
/// those of write_safetensors.
Status write_sealed(const std::filesystem::path& path, std::span<const formats::TensorHeader> tensors,
                    std::span<const std::span<const std::byte>> contents, const SnapshotFacts& facts);

/// A file whose version, checksum and model have been found right; its tensors are still to be looked at.
struct SealedFile {
  std::unique_ptr<formats::SafetensorsFile> file;
  SnapshotFacts facts;
};

/// Errors: those of SafetensorsFile::open; unsupported (another version: the message says whether this Adder
/// is too old or the file is); corrupt (no snapshot; a byte of it has changed); failed_precondition (of
/// another model).
Result<SealedFile> open_sealed(const std::filesystem::path& path, std::uint64_t fingerprint);

/// Where in the bytes of a safetensors file the 32 digits of its checksum are; nullopt if there are none.
std::optional<std::size_t> find_checksum(std::span<const std::byte> file);

/// The checksum that belongs there: XXH3's 128 bits of the whole file, in hexadecimal, with these 32 digits
/// as zeros. Precondition: at + 32 <= file.size().
std::string checksum_of(std::span<const std::byte> file, std::size_t at);

}  // namespace adder::engine
