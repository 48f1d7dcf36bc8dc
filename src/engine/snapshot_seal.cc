#include "engine/snapshot_seal.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/hash.h"
#include "base/json.h"

namespace adder::engine {
namespace {

constexpr std::string_view kFormat = "adder-state";
constexpr int kVersion = 2;
constexpr std::size_t kDigits = 32;

template <class Number>
std::optional<Number> parse_number(const std::string& text, int base) {
  Number value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// A metadata entry, or an error that says what kind of file this is not.
class Entries {
 public:
  Entries(const formats::Metadata& entries, std::string file) : entries_(entries), file_(std::move(file)) {}

  Result<std::string> text(const std::string& key) const {
    if (const auto found = entries_.find(key); found != entries_.end()) return found->second;
    return fail(ErrorCode::corrupt,
                fmt::format("{}: not a state snapshot: its metadata has no \"{}\"", file_, key));
  }
  template <class Number>
  Result<Number> number(const std::string& key, int base) const {
    ADDER_TRY(const std::string value, text(key));
    if (const auto parsed = parse_number<Number>(value, base)) return *parsed;
    return fail(ErrorCode::corrupt,
                fmt::format("{}: metadata {}: {} is not a number", file_, key, in_quotes(value)));
  }
  const std::string& file() const { return file_; }

 private:
  const formats::Metadata& entries_;
  std::string file_;
};

Status check_version(const Entries& entries) {
  ADDER_TRY(const std::string format, entries.text("format"));
  if (format != kFormat)
    return fail(ErrorCode::corrupt, fmt::format("{}: not a state snapshot: its format is {}, expected \"{}\"",
                                                entries.file(), in_quotes(format), kFormat));
  ADDER_TRY(const std::string text, entries.text("version"));
  const std::optional<int> version = parse_number<int>(text, 10);
  if (version == kVersion && text == std::to_string(kVersion)) return {};
  std::string hint = "is it a snapshot that Adder wrote?";
  if (version && *version > kVersion) hint = "a newer Adder wrote it: read it with that one";
  if (version && *version < kVersion)
    hint = "an older Adder wrote it, without a checksum: make it again from its tokens";
  return fail(
      ErrorCode::unsupported,
      fmt::format("{}: snapshot version {}, expected \"{}\"", entries.file(), in_quotes(text), kVersion),
      std::move(hint));
}

Status check_checksum(const Entries& entries, std::span<const std::byte> file) {
  ADDER_TRY(const std::string stored, entries.text("checksum"));
  const auto at = find_checksum(file);
  const std::string found = at ? checksum_of(file, *at) : std::string("none that could be checked");
  if (stored == found) return {};
  return fail(ErrorCode::corrupt,
              fmt::format("{}: damaged: its checksum is {}, its content gives {}", entries.file(),
                          in_quotes(stored), found),
              "make the snapshot again, or copy it again from where it is whole");
}

Result<SnapshotFacts> read_facts(const Entries& entries, std::uint64_t fingerprint) {
  SnapshotFacts out;
  ADDER_TRY(out.fingerprint, entries.number<std::uint64_t>("fingerprint", 16));
  if (out.fingerprint != fingerprint)
    return fail(ErrorCode::failed_precondition,
                fmt::format("{}: the state of another model: fingerprint {:016x}, this model's is {:016x}",
                            entries.file(), out.fingerprint, fingerprint),
                "a state continues only on the weights that made it");
  ADDER_TRY(out.architecture, entries.text("architecture"));
  ADDER_TRY(out.position, entries.number<std::int64_t>("position", 10));
  if (out.position < 0)
    return fail(ErrorCode::corrupt, fmt::format("{}: metadata position is {}", entries.file(), out.position));
  ADDER_TRY(const std::string dtype, entries.text("dtype"));
  const std::optional<DType> parsed = parse_dtype(dtype);
  if (!parsed)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: metadata dtype: unknown {}", entries.file(), in_quotes(dtype)));
  out.weight_dtype = *parsed;
  return out;
}

}  // namespace

std::optional<std::size_t> find_checksum(std::span<const std::byte> file) {
  constexpr std::string_view kKey = "\"checksum\":\"";
  if (file.size() < 8) return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 8; i-- > 0;) size = size << 8 | std::to_integer<std::uint64_t>(file[i]);
  if (size > file.size() - 8) return std::nullopt;
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8,
                                static_cast<std::size_t>(size));
  const std::size_t at = header.find(kKey);
  if (at == header.npos || header.size() - at < kKey.size() + kDigits + 1) return std::nullopt;
  const std::size_t digits = at + kKey.size();
  return header[digits + kDigits] == '"' ? std::optional(8 + digits) : std::nullopt;
}

std::string checksum_of(std::span<const std::byte> file, std::size_t at) {
  const std::string zeros(kDigits, '0');
  Hasher hasher;
  hasher.bytes(file.first(at));
  hasher.bytes(std::as_bytes(std::span(zeros)));
  hasher.bytes(file.subspan(at + kDigits));
  return hasher.value().hex();
}

Status write_sealed(const std::filesystem::path& path, std::span<const formats::TensorHeader> tensors,
                    std::span<const std::span<const std::byte>> contents, const SnapshotFacts& facts) {
  formats::Metadata metadata{{"format", std::string(kFormat)},
                             {"version", std::to_string(kVersion)},
                             {"fingerprint", fmt::format("{:016x}", facts.fingerprint)},
                             {"architecture", facts.architecture},
                             {"position", std::to_string(facts.position)},
                             {"dtype", std::string(name(facts.weight_dtype))},
                             {"checksum", std::string(kDigits, '0')}};
  ADDER_TRY(const auto head, formats::safetensors_head(path, tensors, metadata));
  Hasher hasher;
  hasher.bytes(std::as_bytes(std::span(head.bytes)));
  for (const std::size_t i : head.order) hasher.bytes(contents[i]);
  metadata["checksum"] = hasher.value().hex();
  return formats::write_safetensors(
      path, tensors, [&](std::size_t i, const formats::ByteSink& sink) { return sink(contents[i]); },
      metadata);
}

Result<SealedFile> open_sealed(const std::filesystem::path& path, std::uint64_t fingerprint) {
  SealedFile out;
  ADDER_TRY(out.file, formats::SafetensorsFile::open(path));
  const Entries entries(out.file->metadata(), path.string());
  ADDER_CHECK(check_version(entries));
  ADDER_CHECK(check_checksum(entries, out.file->bytes()));
  ADDER_TRY(out.facts, read_facts(entries, fingerprint));
  return out;
}

}  // namespace adder::engine
