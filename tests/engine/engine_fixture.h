#pragma once

// Engines for tests: every plugin of ADDER_TEST_PLUGINS (colon-separated paths) with a golden checkpoint or
// the embedded model, each opened once for the process.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/session.h"
#include "formats/safetensors.h"

namespace adder::engine {

using Ids = std::vector<std::int32_t>;
using Rows = std::vector<Ids>;

/// The value, or a test failure with the error's text and a return from the enclosing void function.
#define ASSIGN_OK(declaration, ...)                                                            \
  auto ADDER_CONCAT(ok_, __LINE__) = (__VA_ARGS__);                                            \
  ASSERT_TRUE(ADDER_CONCAT(ok_, __LINE__)) << ADDER_CONCAT(ok_, __LINE__).error().to_string(); \
  declaration = *std::move(ADDER_CONCAT(ok_, __LINE__))
#define ASSERT_OK(...)                                       \
  do {                                                       \
    const auto ok_status = (__VA_ARGS__);                    \
    ASSERT_TRUE(ok_status) << ok_status.error().to_string(); \
  } while (false)

/// Largest absolute difference and what it is relative to.
struct Difference {
  double max = 0, rmse = 0, scale = 0;  ///< scale: the largest |expected|
};
Difference difference(std::span<const float> actual, std::span<const float> expected);

/// tests/goldens/<name>/expected.safetensors.
class Golden {
 public:
  explicit Golden(const std::string& name);
  Ids ids(const char* tensor) const;
  std::vector<float> floats(const std::string& tensor) const;

 private:
  std::unique_ptr<formats::SafetensorsFile> file_;
};

/// A tensor of a checkpoint to be changed and written again.
struct OwnedTensor {
  formats::TensorView view;
  std::vector<float> values;
};
/// Every tensor of a checkpoint in float32, under canonical names.
std::vector<OwnedTensor> tensors_of(const checkpoint::Checkpoint& source);
void write_tensors(const std::filesystem::path& path, std::vector<OwnedTensor>& tensors);

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override;
  static std::vector<std::string> plugins();
  static std::filesystem::path golden_dir(const std::string& name);
  static std::filesystem::path demo_dir();
  /// Opened and loaded; lives as long as the process. Fails the test and throws where it cannot be opened.
  /// With graphs as EngineOptions::policy asks for.
  static Engine& engine(const std::string& plugin, const std::filesystem::path& model,
                        DType weights = DType::f32, const std::string& policy = {});
  /// The first plugin, for laws that do not depend on it.
  static Engine& engine(const std::filesystem::path& model) { return engine(plugins().front(), model); }
};

/// Absorbs `rows` into a fresh state in calls of the given sizes (the rest in one), and gives the host state
/// of row 0.
void absorb(const Engine& engine, const Ids& ids, const std::vector<std::size_t>& split, HostState* out);
/// All tokens of a one-row generation.
void generate(const Engine& engine, const Ids& prompt, const SamplingOptions& sampling, std::int64_t n,
              std::int64_t block, Ids* out);

}  // namespace adder::engine
