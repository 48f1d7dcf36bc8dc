#include "checkpoint/model_fingerprint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "checkpoint/testing.h"

namespace adder::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::golden;
using testing::read_file;
using testing::TempDirectory;
using testing::write_file;

/// How many bytes of weights were read.
struct Reading final : Progress {
  void begin(std::uint64_t, std::string_view) override {}
  void advance(std::uint64_t n) override {
    bytes += n;
    if (on_advance) on_advance();
  }
  void end() override {}
  std::uint64_t bytes = 0;
  std::function<void()> on_advance;
};

/// A copy of a golden checkpoint, and a memory that takes its files for old.
class ModelFingerprint : public ::testing::Test {
 protected:
  ModelFingerprint() { fs::copy(golden("hf-tiny"), model(), fs::copy_options::recursive); }
  fs::path model() const { return dir / "model"; }
  fs::path weights() const { return model() / "model.safetensors"; }
  fs::path memory() const { return dir / "cache"; }

  struct Answer {
    std::uint64_t value, bytes_read;
  };
  Answer ask(bool files_are_old = true) {
    const auto checkpoint = Checkpoint::open(model());
    EXPECT_TRUE(checkpoint) << checkpoint.error().to_string();
    return ask(*checkpoint, files_are_old);
  }
  Answer ask(const Checkpoint& checkpoint, bool files_are_old = true) {
    Reading reading;
    FingerprintOptions options{.memory = memory(), .progress = &reading};
    options.now_ns = files_are_old ? std::numeric_limits<std::int64_t>::max()
                                   : identity_of(weights()).value().changed_ns + 1'000'000'000;
    const auto print = fingerprint_of(checkpoint, options);
    EXPECT_TRUE(print) << print.error().to_string();
    EXPECT_EQ(*print, testing::fingerprint(checkpoint)) << "what is remembered is what would be computed";
    return {print.value_or(0), reading.bytes};
  }
  /// Changes one byte of a file where it lies.
  static void flip(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  TempDirectory dir;
};

TEST_F(ModelFingerprint, ReadsAllWeightsOnceAndRemembers) {
  const std::uint64_t all = static_cast<std::uint64_t>(Checkpoint::open(model())->stored_bytes());
  const Answer first = ask();
  EXPECT_EQ(first.bytes_read, all);
  const Answer second = ask();
  EXPECT_EQ(second.bytes_read, 0u);
  EXPECT_EQ(second.value, first.value);
}

// Sixteen runs of 64 bytes a tensor used to be all that was looked at.
TEST_F(ModelFingerprint, EveryByteOfEveryTensorCounts) {
  const Answer whole = ask();
  const std::uint64_t size = fs::file_size(weights());
  const std::uint64_t data = size - static_cast<std::uint64_t>(Checkpoint::open(model())->stored_bytes());
  for (std::uint64_t at = data; at < size; at += size / 40) {
    flip(weights(), at);
    const Answer changed = ask();
    EXPECT_NE(changed.value, whole.value) << "byte " << at;
    EXPECT_GT(changed.bytes_read, 0u);
    flip(weights(), at);
  }
  EXPECT_EQ(ask().value, whole.value);
}

TEST_F(ModelFingerprint, AModificationTimePutBackDoesNotHelp) {
  const Answer before = ask();
  struct stat status {};
  ASSERT_EQ(::stat(weights().c_str(), &status), 0);
  flip(weights(), fs::file_size(weights()) - 4);
  const timespec times[] = {status.st_atim, status.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, weights().c_str(), times, 0), 0);
  EXPECT_NE(ask().value, before.value);
}

TEST_F(ModelFingerprint, AnotherConfigOfTheSameFileIsAnotherModel) {
  const Answer before = ask();
  std::string config = read_file(model() / "config.json");  // Python's JSON, with Infinity
  const std::string field = "\"layer_norm_epsilon\": ";
  ASSERT_NE(config.find(field), config.npos);
  write_file(model() / "config.json", config.insert(config.find(field) + field.size(), "3"));
  const Answer after = ask();
  EXPECT_NE(after.value, before.value);
  EXPECT_GT(after.bytes_read, 0u);
  EXPECT_EQ(ask().bytes_read, 0u) << "both are remembered";
}

TEST_F(ModelFingerprint, AFileReplacedWhileOpenIsNotRemembered) {
  const auto opened = Checkpoint::open(model());
  ASSERT_TRUE(opened);
  std::string other = read_file(weights());
  other.back() = static_cast<char>(other.back() ^ 1);
  write_file(dir / "other", other);
  fs::rename(dir / "other", weights());
  const Answer old = ask(*opened);
  EXPECT_GT(old.bytes_read, 0u);
  EXPECT_FALSE(fs::exists(memory() / "fingerprints"));
  const Answer now = ask();
  EXPECT_NE(now.value, old.value);
}

TEST_F(ModelFingerprint, WhatHasJustChangedIsReadAgain) {
  flip(weights(), fs::file_size(weights()) - 1);
  EXPECT_GT(ask(false).bytes_read, 0u);
  EXPECT_FALSE(fs::exists(memory() / "fingerprints")) << "a change within the clock's tick would not show";
  EXPECT_GT(ask(true).bytes_read, 0u);
  EXPECT_EQ(ask(false).bytes_read, 0u);
}

TEST_F(ModelFingerprint, ADamagedMemoryIsNoMemory) {
  const Answer first = ask();
  const fs::path file = fs::directory_iterator(memory() / "fingerprints")->path();
  const std::string good = read_file(file);
  for (std::size_t i = 0; i <= good.size(); i += i + 7 < good.size() ? 7 : 1) {
    std::string bad = good;
    if (i < good.size())
      bad[i] = static_cast<char>(bad[i] ^ 1);
    else
      bad += "x";
    write_file(file, bad);
    const Answer answer = ask();
    EXPECT_EQ(answer.value, first.value) << "byte " << i;
    EXPECT_GT(answer.bytes_read, 0u) << "byte " << i;
    EXPECT_EQ(read_file(file), good) << "it is mended";
  }
}

TEST_F(ModelFingerprint, AMemoryThatCannotBeWrittenIsNoFailure) {
  write_file(dir / "cache", "a file where the folder should be");
  EXPECT_GT(ask().bytes_read, 0u);
}

TEST_F(ModelFingerprint, CanBeInterrupted) {
  const auto checkpoint = Checkpoint::open(model());
  ASSERT_TRUE(checkpoint);
  std::atomic<bool> stop = false;
  Reading reading;
  reading.on_advance = [&] { stop = true; };
  const auto print =
      fingerprint_of(*checkpoint, {.memory = memory(), .progress = &reading, .stop = &stop, .now_ns = 1});
  ASSERT_FALSE(print);
  EXPECT_EQ(print.error().code, ErrorCode::cancelled);
  EXPECT_LT(reading.bytes, static_cast<std::uint64_t>(checkpoint->stored_bytes()));
  EXPECT_FALSE(fs::exists(memory()));
}

TEST_F(ModelFingerprint, EachShardCounts) {
  fs::remove_all(model());
  fs::copy(golden("grouped-sharded-bf16-tiny"), model(), fs::copy_options::recursive);
  const Answer whole = ask();
  EXPECT_EQ(ask().bytes_read, 0u);
  for (const auto& entry : fs::directory_iterator(golden("grouped-sharded-bf16-tiny"))) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("model-")) continue;
    flip(model() / name, fs::file_size(entry.path()) - 1);
    EXPECT_NE(ask().value, whole.value) << name;
    flip(model() / name, fs::file_size(entry.path()) - 1);
  }
}

}  // namespace
}  // namespace adder::checkpoint
