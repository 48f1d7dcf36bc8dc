#include "hub/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/mapped_file.h"

namespace adder::hub {

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Result<Digest> Digest::start(ChecksumKind kind, std::uint64_t size) {
  Digest out;
  if (kind == ChecksumKind::none) return out;
  out.context_.reset(EVP_MD_CTX_new());
  const EVP_MD* algorithm = kind == ChecksumKind::sha256 ? EVP_sha256() : EVP_sha1();
  if (!out.context_ || EVP_DigestInit_ex(out.context_.get(), algorithm, nullptr) != 1)
    return fail(ErrorCode::internal,
                fmt::format("OpenSSL offers no {} here", kind == ChecksumKind::sha256 ? "SHA-256" : "SHA-1"));
  if (kind == ChecksumKind::git_sha1) {
    std::string header = fmt::format("blob {}", size);
    header.push_back('\0');
    out.update(std::as_bytes(std::span(header)));
  }
  return out;
}

void Digest::update(std::span<const std::byte> bytes) {
  if (context_) EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Digest::finish() {
  if (!context_) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), bytes.data(), &size);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

Result<std::string> digest_of_file(const std::filesystem::path& path, ChecksumKind kind, Supervision watch,
                                   Progress& progress, std::string_view label) {
  constexpr std::size_t kPiece = 4 << 20;  // some milliseconds
  ADDER_TRY(const MappedFile file, MappedFile::open(path));
  ADDER_TRY(Digest digest, Digest::start(kind, file.bytes().size()));
  file.advise(file.bytes(), Advice::sequential);
  ProgressScope scope(progress, file.bytes().size(), label);
  for (auto left = file.bytes(); !left.empty(); left = left.subspan(std::min(kPiece, left.size()))) {
    if (watch.stopped()) return stopped_failure();
    const auto piece = left.first(std::min(kPiece, left.size()));
    digest.update(piece);
    scope.advance(piece.size());
  }
  return digest.finish();
}

Checksum checksum_of_etag(std::string_view etag) {
  if (etag.find_first_not_of("0123456789abcdef") != etag.npos) return {};
  if (etag.size() == 64) return {ChecksumKind::sha256, std::string(etag)};
  if (etag.size() == 40) return {ChecksumKind::git_sha1, std::string(etag)};
  return {};
}

}  // namespace adder::hub
