// engine::read_snapshot: the bytes as they are, then with the checksum that they ask for, which is what lets
// the rest of the reader be reached.

#include <cstring>

#include "arch/mamba2.h"
#include "engine/snapshot.h"
#include "engine/snapshot_seal.h"
#include "file.h"

namespace {

using namespace adder;
using engine::Snapshot;

constexpr std::uint64_t kFingerprint = 0x0123456789abcdef;

/// As in make_seeds.py.
model::ModelSpec small_model() {
  const auto config = std::make_shared<arch::Mamba2>();
  config->d_model = 2, config->n_layer = 2, config->d_state = 2;
  config->head_dim = 2, config->n_heads = 1, config->d_inner = 2, config->n_groups = 1, config->d_conv = 3;
  config->padded_vocab_size = 8, config->vocab_size = 7;
  return *model::make_spec(config, {}, DType::f32);
}

bool same(const Snapshot& a, const Snapshot& b) {
  bool out = a.tokens == b.tokens && a.fingerprint == b.fingerprint && a.weight_dtype == b.weight_dtype &&
             a.state.position == b.state.position && a.state.fields.size() == b.state.fields.size();
  for (std::size_t i = 0; out && i < a.state.fields.size(); ++i)
    out = a.state.fields[i].bytes == b.state.fields[i].bytes;
  return out;
}

void check(std::span<const std::byte> bytes) {
  const model::ModelSpec model = small_model();
  const fuzz::MemoryFile file(bytes);
  const auto snapshot = engine::read_snapshot(file.path(), model, kFingerprint);
  if (!snapshot) {
    FUZZ_CHECK(fuzz::is_readable(snapshot.error().message));
    return;
  }
  FUZZ_CHECK(snapshot->state.position == static_cast<std::int64_t>(snapshot->tokens.size()));
  for (const std::int32_t id : snapshot->tokens) FUZZ_CHECK(id >= 0 && id < model.config->vocab_size);
  const std::string path = fuzz::scratch_path("snapshot");
  FUZZ_CHECK(engine::write_snapshot(path, *snapshot, model).has_value());
  const auto again = engine::read_snapshot(path, model, kFingerprint);
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
