#include "checkpoint/model_fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "checkpoint/fingerprint.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int kScheme = 3;  // of computing it; another one must not find what this one remembers
constexpr std::size_t kPiece = 4u << 20, kLargestMemory = 1u << 20;

std::uint64_t layout_of(const Checkpoint& checkpoint) {
  Fingerprint print;
  print.add(checkpoint.config());
  for (const auto& [spec, view] : checkpoint.entries()) {
    print.text(view.name);
    print.add_description(spec.name, view);
  }
  return print.value();
}

/// What an answer is remembered by; empty if there are no files, or not for these to be remembered.
std::string key_of(const Checkpoint& checkpoint) {
  const std::vector<const MappedFile*> files = checkpoint.store().source().files();
  if (files.empty()) return {};
  std::string out = fmt::format("adder-fingerprint {}\nlayout {:016x}\n", kScheme, layout_of(checkpoint));
  for (const MappedFile* file : files)
    out += fmt::format("file {} {} {} {} {}\n", file->identity().device, file->identity().inode,
                       file->identity().size, file->identity().modified_ns, file->identity().changed_ns);
  return out;
}

/// Whether each file is in the state in which it was opened.
bool are_unchanged(const std::vector<const MappedFile*>& files) {
  return std::all_of(files.begin(), files.end(), [](const MappedFile* file) {
    const Result<FileIdentity> now = identity_of(file->path());
    return now && *now == file->identity();
  });
}

std::string hash_of(std::string_view text) {
  Hasher hasher;
  hasher.text(text);
  return hasher.value().hex();
}

fs::path memory_file(const fs::path& folder, const std::string& key) {
  return folder / "fingerprints" / hash_of(key);
}

std::string memory_text(const std::string& key, std::uint64_t fingerprint) {
  const std::string body = fmt::format("{}fingerprint {:016x}\n", key, fingerprint);
  return fmt::format("{}check {}\n", body, hash_of(body));
}

/// nullopt for a file that is missing, damaged or for another key.
std::optional<std::uint64_t> recall(const fs::path& file, const std::string& key) {
  const Result<std::string> read = read_regular_file(file, kLargestMemory);
  if (!read) return std::nullopt;
  const std::string& text = *read;
  const std::size_t at = key.size() + std::string_view("fingerprint ").size();
  if (text.size() < at + 16) return std::nullopt;
  const std::string digits = text.substr(at, 16);
  if (digits.find_first_not_of("0123456789abcdef") != digits.npos) return std::nullopt;
  const std::uint64_t fingerprint = std::stoull(digits, nullptr, 16);
  return text == memory_text(key, fingerprint) ? std::optional(fingerprint) : std::nullopt;
}

void remember(const fs::path& file, const std::string& key, std::uint64_t fingerprint) {
  std::error_code error;
  if (fs::create_directories(file.parent_path(), error))
    fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  if (error) return;
  // It is remembered or not; a full disk is told where it matters.
  (void)write_atomically(file, [&](AtomicFile& out) { return out.write(memory_text(key, fingerprint)); });
}

Result<std::uint64_t> compute(const Checkpoint& checkpoint, const FingerprintOptions& options) {
  ProgressScope progress(*options.progress, static_cast<std::uint64_t>(checkpoint.stored_bytes()),
                         "reading the weights for their fingerprint");
  Fingerprint print;
  print.add(checkpoint.config());
  for (const auto& [spec, view] : checkpoint.entries()) {
    print.add_description(spec.name, view);
    const Status added = print.add_elements(view, kPiece, [&](std::size_t bytes) -> Status {
      progress.advance(bytes);
      if (options.stop == nullptr || !options.stop->load(std::memory_order_relaxed)) return {};
      return fail(ErrorCode::cancelled, "interrupted while the weights were read for their fingerprint");
    });
    checkpoint.release(view);
    if (!added) return fail(added.error());
  }
  return print.value();
}

std::int64_t clock_ns() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::system_clock;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

Result<std::uint64_t> fingerprint_of(const Checkpoint& checkpoint, const FingerprintOptions& options) {
  const std::string key = options.memory.empty() ? std::string() : key_of(checkpoint);
  if (key.empty()) return compute(checkpoint, options);
  const std::vector<const MappedFile*> files = checkpoint.store().source().files();
  const fs::path file = memory_file(options.memory, key);
  if (are_unchanged(files))
    if (const auto known = recall(file, key)) return *known;
  const std::int64_t now = options.now_ns ? *options.now_ns : clock_ns();
  ADDER_TRY(const std::uint64_t fingerprint, compute(checkpoint, options));
  const bool settled = std::all_of(files.begin(), files.end(),
                                   [&](const MappedFile* open) { return open->identity().is_settled(now); });
  if (settled && are_unchanged(files)) remember(file, key, fingerprint);
  return fingerprint;
}

}  // namespace adder::checkpoint
