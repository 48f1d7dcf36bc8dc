#pragma once

// Runs build/adder as a user does. Every call has the same executable cache, so that programs compile once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/safetensors.h"
#include "support/compare.h"
#include "support/process.h"

namespace adder::test {

using Ids = std::vector<std::int32_t>;

/// All golden checkpoints.
inline const std::vector<std::string> kGoldens{"falcon-mamba-tiny", "grouped-sharded-bf16-tiny",
                                               "hf-tiny",           "limits-bias-tiny",
                                               "mamba-ssm-tiny",    "mamba1-hf-tiny",
                                               "mamba1-ssm-tiny",   "odd-shapes-f16-tiny"};
std::filesystem::path golden(const std::string& name);
std::filesystem::path demo_model();
/// The first of ADDER_TEST_PLUGINS; empty if there is none.
std::string test_plugin();

/// A safetensors file with everything in it copied out.
class Tensors {
 public:
  /// Fails the test if the file cannot be read; then everything is empty.
  explicit Tensors(const std::filesystem::path& path);
  bool has(const std::string& name) const { return file_ && file_->find(name) != nullptr; }
  Dims dims(const std::string& name) const;
  std::vector<float> floats(const std::string& name) const;
  Ids ids(const std::string& name) const;
  std::vector<std::string> names() const;
  const formats::Metadata& metadata() const { return file_->metadata(); }

 private:
  template <class T>
  std::vector<T> values(const std::string& name) const;
  std::unique_ptr<formats::SafetensorsFile> file_;
};

/// "1,2,3".
std::string joined(const Ids& ids);

class CliTest : public ::testing::Test {
 protected:
  /// Skips the test if there is no plugin.
  static void need_plugin() {
    if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  }
  static Process start(const std::vector<std::string>& arguments, const Process::Environment& more = {});
  static Outcome adder(const std::vector<std::string>& arguments, const Process::Environment& more = {}) {
    return start(arguments, more).wait();
  }
  /// Runs with --json added; expects exit 0 and exactly one line of JSON on stdout. Throws where it is no
  /// JSON.
  static Json json(std::vector<std::string> arguments);
  std::string in_folder(const std::string& name) const { return folder_.path() / name; }
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  adder::testing::TempDirectory folder_;
};

/// Expects exit code `code`, nothing on stdout, "error: " on stderr and `text` in it.
void expect_failure(const Outcome& outcome, int code, const std::string& text);

}  // namespace adder::test
