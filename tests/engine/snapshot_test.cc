// Snapshot files: what is written is read, and nothing else is. Needs no plugin.

#include "engine/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/testing.h"
#include "checkpoint/safetensors.h"
#include "engine/snapshot_seal.h"

namespace adder::engine {
namespace {

using adder::testing::read_file;
using adder::testing::TempDirectory;
using adder::testing::write_file;
using ::testing::HasSubstr;

constexpr std::uint64_t kFingerprint = 0x0123456789abcdef;

model::Mamba2Config small_model() {
  model::Mamba2Config c;
  c.d_model = 4;
  c.n_layer = 2;
  c.d_state = 3;
  c.head_dim = 4;
  c.n_heads = 2;
  c.d_conv = 4;
  c.vocab_rows = 16;
  c.vocab_size = 11;
  return c;
}

Snapshot small_snapshot() {
  const model::Mamba2Config c = small_model();
  Snapshot out;
  float next = -1;
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    HostState::Layer layer;
    layer.ssm.resize(static_cast<std::size_t>(c.n_heads * c.head_dim * c.d_state));
    layer.conv.resize(static_cast<std::size_t>(c.conv_dim() * (c.d_conv - 1)));
    for (float& x : layer.ssm) x = next += 0.25F;
    for (float& x : layer.conv) x = next += 0.5F;
    out.state.layers.push_back(std::move(layer));
  }
  out.tokens = {3, 10, 0, 7, 7};
  out.state.position = 5;
  out.fingerprint = kFingerprint;
  out.weight_dtype = DType::bf16;
  return out;
}

/// A file's bytes with the checksum that they ask for: to test what comes after it.
std::string sealed(std::string file) {
  const auto bytes = std::as_bytes(std::span(file));
  const auto at = find_checksum(bytes);
  EXPECT_TRUE(at);
  const std::string checksum = checksum_of(bytes, at.value_or(0));
  return file.replace(at.value_or(0), checksum.size(), checksum);
}

struct Snapshots : ::testing::Test {
  Snapshots() {
    const Status written = write_snapshot(path, small_snapshot(), small_model());
    EXPECT_TRUE(written) << written.error().to_string();
    good = read_file(path);
  }
  Result<Snapshot> read(const std::string& content, std::uint64_t fingerprint = kFingerprint) {
    write_file(path, content);
    return read_snapshot(path, small_model(), fingerprint);
  }
  Error refused(const std::string& content, std::uint64_t fingerprint = kFingerprint) {
    const auto snapshot = read(content, fingerprint);
    EXPECT_FALSE(snapshot);
    if (snapshot) return {ErrorCode::internal, "", ""};
    EXPECT_THAT(snapshot.error().message, HasSubstr(path.string()));
    return snapshot.error();
  }
  /// The file with one text in its header replaced by another of the same length.
  std::string with(const std::string& from, const std::string& to) const {
    EXPECT_EQ(from.size(), to.size());
    std::string out = good;
    EXPECT_NE(out.find(from), out.npos) << from;
    return out.replace(out.find(from), from.size(), to);
  }
  TempDirectory dir;
  std::filesystem::path path = dir / "state";
  std::string good;
};

TEST_F(Snapshots, AreReadAsWritten) {
  const auto read_back = read(good);
  ASSERT_TRUE(read_back) << read_back.error().to_string();
  const Snapshot wrote = small_snapshot();
  EXPECT_EQ(read_back->tokens, wrote.tokens);
  EXPECT_EQ(read_back->state.position, wrote.state.position);
  EXPECT_EQ(read_back->fingerprint, wrote.fingerprint);
  EXPECT_EQ(read_back->weight_dtype, wrote.weight_dtype);
  for (std::size_t i = 0; i < wrote.state.layers.size(); ++i) {
    EXPECT_EQ(read_back->state.layers[i].ssm, wrote.state.layers[i].ssm);
    EXPECT_EQ(read_back->state.layers[i].conv, wrote.state.layers[i].conv);
  }
  EXPECT_EQ(sealed(good), good);
}

// 38 of 430 changed files used to be taken. The masks make other digits, letters, and blanks out of blanks.
TEST_F(Snapshots, AChangedByteAnywhereIsRefused) {
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const int mask : {0x01, 0x20, 0x29, 0x2a, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      const auto snapshot = read(bad);
      ASSERT_FALSE(snapshot) << "byte " << i << " mask " << mask;
      ASSERT_FALSE(snapshot.error().message.empty());
    }
}

TEST_F(Snapshots, ATruncatedOrLongerFileIsRefused) {
  for (std::size_t n = 0; n < good.size(); ++n) ASSERT_FALSE(read(good.substr(0, n))) << n;
  EXPECT_FALSE(read(good + '\0'));
  EXPECT_FALSE(read(good + good));
}

RC_GTEST_FIXTURE_PROP(Snapshots, NothingButTheFileItselfIsTaken, ()) {
  std::string bad = good;
  const int changes = *rc::gen::inRange(1, 5);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bad.size());
    const auto other = *rc::gen::inRange<std::size_t>(0, bad.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        bad[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        bad.insert(at, 1, *rc::gen::arbitrary<char>());
        break;
      case 2:
        if (bad.size() > 1) bad.erase(at, 1);
        break;
      default:
        std::swap(bad[at], bad[other]);
    }
  }
  RC_PRE(bad != good);
  RC_ASSERT(!read(bad));
}

TEST_F(Snapshots, DamageIsSaidToBeDamage) {
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  const Error error = refused(bad);
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_THAT(error.message, HasSubstr("damaged: its checksum is"));
  EXPECT_EQ(refused(with("\"position\":\"5\"", "\"position\":\"4\"")).code, ErrorCode::corrupt);
}

TEST_F(Snapshots, AnotherModelsIsRefused) {
  const Error error = refused(good, kFingerprint ^ 1);
  EXPECT_EQ(error.code, ErrorCode::failed_precondition);
  EXPECT_THAT(error.message, HasSubstr("the state of another model"));
}

TEST_F(Snapshots, OtherVersionsSayWhoIsTooOld) {
  const Error newer = refused(sealed(with("\"version\":\"2\"", "\"version\":\"3\"")));
  EXPECT_EQ(newer.code, ErrorCode::unsupported);
  EXPECT_THAT(newer.message, HasSubstr("snapshot version \"3\", expected \"2\""));
  EXPECT_THAT(newer.hint, HasSubstr("a newer Adder"));
  const Error older = refused(sealed(with("\"version\":\"2\"", "\"version\":\"1\"")));
  EXPECT_EQ(older.code, ErrorCode::unsupported);
  EXPECT_THAT(older.hint, HasSubstr("an older Adder"));
}

// The same tensors under other names, and a position that the tokens contradict: with a right checksum.
TEST_F(Snapshots, TensorsThatDoNotFitAreAllNamed) {
  std::string odd = with("\"ssm_state.1\"", "\"ssm_state.9\"");
  odd.replace(odd.find("\"position\":\"5\""), 14, "\"position\":\"3\"");
  const Error error = refused(sealed(odd));
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  for (const char* part : {"ssm_state.1: missing", "\"ssm_state.9\": not part of a snapshot",
                           "tokens: expected s32[3], found s32[5]"})
    EXPECT_THAT(error.message, HasSubstr(part));
}

TEST_F(Snapshots, ValuesThatNoStateHasAreRefused) {
  Snapshot infinite = small_snapshot();
  infinite.state.layers[1].conv[2] = HUGE_VALF;
  const Status written = write_snapshot(path, infinite, small_model());
  ASSERT_FALSE(written) << "what is written can be read";
  EXPECT_THAT(written.error().message, HasSubstr("the state of layer 1 holds infinities or NaN"));
  Snapshot unknown = small_snapshot();
  unknown.tokens[2] = 11;
  const Status outside = write_snapshot(path, unknown, small_model());
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().message, HasSubstr("tokens: 11 is outside the vocabulary"));
  EXPECT_EQ(read_file(path), good) << "a write that is refused leaves what was there";
}

TEST_F(Snapshots, WhatIsNoneSaysSo) {
  const std::vector<float> values(4);
  const std::vector<checkpoint::TensorView> tensors{
      {"x", Shape{DType::f32, {4}}, std::as_bytes(std::span(values)), {}}};
  ASSERT_TRUE(checkpoint::write_safetensors(path, tensors));
  EXPECT_THAT(refused(read_file(path)).message, HasSubstr("not a state snapshot"));
  ASSERT_TRUE(checkpoint::write_safetensors(path, tensors, {{"format", "adder-state"}, {"version", "2"}}));
  EXPECT_THAT(refused(read_file(path)).message, HasSubstr("its metadata has no \"checksum\""));
}

}  // namespace
}  // namespace adder::engine
