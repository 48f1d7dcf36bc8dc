// Snapshot files: what is written is read, and nothing else is. Needs no plugin.

#include "engine/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "arch/testing.h"
#include "base/testing.h"
#include "engine/snapshot_seal.h"
#include "formats/safetensors.h"

namespace adder::engine {
namespace {

using adder::testing::read_file;
using adder::testing::TempDirectory;
using adder::testing::write_file;
using ::testing::HasSubstr;

constexpr std::uint64_t kFingerprint = 0x0123456789abcdef;

model::ModelSpec small_model() {
  const auto config = arch::testing::mamba2_of(
      {.d_model = 4, .n_layer = 2, .d_state = 3, .head_dim = 4, .n_heads = 2, .vocab_size = 11, .rows = 16});
  return *model::make_spec(config, {}, DType::f32);
}

Snapshot small_snapshot() {
  Snapshot out;
  out.tokens = {3, 10, 0, 7, 7};
  out.state.position = 5;
  out.fingerprint = kFingerprint;
  out.weight_dtype = DType::bf16;
  float next = -1;
  for (const arch::StateField& field : small_model().state) {
    if (field.kind == arch::StateField::Kind::position) continue;
    const Shape shape = file_shape(field, out.state.position);
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& x : values) x = next += 0.25F;
    const auto bytes = std::as_bytes(std::span(values));
    out.state.fields.push_back({field.name, shape, {bytes.begin(), bytes.end()}});
  }
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
  ASSERT_EQ(read_back->state.fields.size(), wrote.state.fields.size());
  for (std::size_t i = 0; i < wrote.state.fields.size(); ++i) {
    EXPECT_EQ(read_back->state.fields[i].name, wrote.state.fields[i].name);
    EXPECT_EQ(read_back->state.fields[i].bytes, wrote.state.fields[i].bytes);
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
  const float inf = HUGE_VALF;
  HostState::Field& field = infinite.state.fields.at(2);
  ASSERT_EQ(field.name, "conv_state.1");
  std::memcpy(field.bytes.data() + 2 * sizeof inf, &inf, sizeof inf);
  const Status written = write_snapshot(path, infinite, small_model());
  ASSERT_FALSE(written) << "what is written can be read";
  EXPECT_THAT(written.error().message, HasSubstr("conv_state.1 holds infinities or NaN"));
  Snapshot unknown = small_snapshot();
  unknown.tokens[2] = 11;
  const Status outside = write_snapshot(path, unknown, small_model());
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().message, HasSubstr("tokens: 11 is outside the vocabulary"));
  EXPECT_EQ(read_file(path), good) << "a write that is refused leaves what was there";
}

// A stop string, a cancel or a dropped generation leaves a state that has absorbed more than was read.
TEST_F(Snapshots, AStateThatRanAheadOfItsReaderIsRefused) {
  Snapshot ahead = small_snapshot();
  ahead.tokens.pop_back();
  const Status written = write_snapshot(path, ahead, small_model());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::failed_precondition);
  EXPECT_THAT(written.error().message, HasSubstr("has absorbed 5 tokens, of which its reader has seen 4"));
  EXPECT_EQ(read_file(path), good) << "a write that is refused leaves what was there";
}

TEST_F(Snapshots, WhatIsNoneSaysSo) {
  const std::vector<float> values(4);
  const std::vector<formats::TensorView> tensors{
      {"x", Shape{DType::f32, {4}}, std::as_bytes(std::span(values)), {}}};
  ASSERT_TRUE(formats::write_safetensors(path, tensors));
  EXPECT_THAT(refused(read_file(path)).message, HasSubstr("not a state snapshot"));
  ASSERT_TRUE(formats::write_safetensors(path, tensors, {{"format", "adder-state"}, {"version", "2"}}));
  EXPECT_THAT(refused(read_file(path)).message, HasSubstr("its metadata has no \"checksum\""));
}

}  // namespace
}  // namespace adder::engine
