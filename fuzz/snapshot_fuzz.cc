// engine::read_snapshot: the bytes as they are, then with the checksum that they ask for, which is what lets
// the rest of the reader be reached.

#include <cstring>

#include "engine/snapshot.h"
#include "engine/snapshot_seal.h"
#include "file.h"

namespace {

using namespace adder;
using engine::Snapshot;

constexpr std::uint64_t kFingerprint = 0x0123456789abcdef;

/// As in make_seeds.py.
model::Mamba2Config small_model() {
  model::Mamba2Config c;
  c.d_model = 2;
  c.n_layer = 2;
  c.d_state = 2;
  c.head_dim = 2;
  c.n_heads = 1;
  c.d_conv = 3;
  c.vocab_rows = 8;
  c.vocab_size = 7;
  return c;
}

bool same(const Snapshot& a, const Snapshot& b) {
  bool out = a.tokens == b.tokens && a.fingerprint == b.fingerprint && a.weight_dtype == b.weight_dtype &&
             a.state.position == b.state.position && a.state.layers.size() == b.state.layers.size();
  for (std::size_t i = 0; out && i < a.state.layers.size(); ++i)
    out = a.state.layers[i].ssm == b.state.layers[i].ssm && a.state.layers[i].conv == b.state.layers[i].conv;
  return out;
}

void check(std::span<const std::byte> bytes) {
  const model::Mamba2Config config = small_model();
  const fuzz::MemoryFile file(bytes);
  const auto snapshot = engine::read_snapshot(file.path(), config, kFingerprint);
  if (!snapshot) {
    FUZZ_CHECK(fuzz::is_readable(snapshot.error().message));
    return;
  }
  FUZZ_CHECK(snapshot->state.position == static_cast<std::int64_t>(snapshot->tokens.size()));
  for (const std::int32_t id : snapshot->tokens) FUZZ_CHECK(id >= 0 && id < config.vocab_size);
  const std::string path = fuzz::scratch_path("snapshot");
  FUZZ_CHECK(engine::write_snapshot(path, *snapshot, config).has_value());
  const auto again = engine::read_snapshot(path, config, kFingerprint);
  std::remove(path.c_str());
  FUZZ_CHECK(again && same(*again, *snapshot));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::as_bytes(data, size);
  check(bytes);
  const auto at = engine::find_checksum(bytes);
  if (!at) return 0;
  std::vector<std::byte> sealed(bytes.begin(), bytes.end());
  const std::string checksum = engine::checksum_of(bytes, *at);
  std::memcpy(sealed.data() + *at, checksum.data(), checksum.size());
  check(sealed);
  return 0;
}
