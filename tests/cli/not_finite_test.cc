// A weight that is NaN: every command that computes says so, exits 1 and writes nothing; `inspect --check`
// finds it.

#include <cstring>
#include <fstream>

#include "base/mapped_file.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;

class NotFinite : public CliTest {
 protected:
  /// The embedded model in folder(), with NaN in row 1, column 3 of one matrix.
  void SetUp() override {
    for (const auto& entry : std::filesystem::directory_iterator(demo_model()))
      if (entry.path().filename() != kFile)
        std::filesystem::create_symlink(entry.path(), folder() / entry.path().filename());
    std::filesystem::copy_file(demo_model() / kFile, folder() / kFile);
    const auto file = formats::SafetensorsFile::open(demo_model() / kFile);
    ASSERT_TRUE(file) << file.error().to_string();
    const formats::TensorView* tensor = (*file)->find(kTensor);
    ASSERT_NE(tensor, nullptr);
    ASSERT_EQ(tensor->shape.dtype, DType::bf16);
    std::fstream out(in_folder(kFile), std::ios::in | std::ios::out | std::ios::binary);
    std::uint64_t header = 0;
    out.read(reinterpret_cast<char*>(&header), sizeof header);
    std::string text(header, '\0');
    out.read(text.data(), static_cast<std::streamsize>(header));
    const auto begin = Json::parse(text).at(kTensor).at("data_offsets").at(0).get<std::uint64_t>();
    const auto at =
        sizeof header + header + begin + 2 * static_cast<std::uint64_t>(tensor->shape.dims[1] + 3);
    out.seekp(static_cast<std::streamoff>(at));
    const std::uint16_t nan = 0x7FC0;
    out.write(reinterpret_cast<const char*>(&nan), sizeof nan);
  }
  static constexpr const char* kFile = "model.safetensors";
  static constexpr const char* kTensor = "backbone.layers.2.mixer.out_proj.weight";
};

TEST_F(NotFinite, InspectChecksOnRequest) {
  EXPECT_EQ(adder({"inspect", folder()}).exit_code, 0);
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--json"}}) {
    std::vector<std::string> words{"inspect", folder(), "--check"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = adder(words);
    expect_failure(outcome, 1, std::string(kTensor) + ": row 1, column 3 is nan");
  }
  const Outcome good = adder({"inspect", demo_model(), "--check"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.err, HasSubstr("are finite"));
}

TEST_F(NotFinite, EveryCommandThatComputesSaysSo) {
  if (test_plugin().empty()) GTEST_SKIP() << "ADDER_TEST_PLUGINS is not set";
  const char* said = "the model computes infinities or NaN";
  for (const char* temperature : {"0", "1"})
    expect_failure(
        adder({"generate", "-m", folder(), "-p", "It is", "-n", "20", "--temp", temperature, "--json"}), 1,
        said);
  expect_failure(adder({"perplexity", "-m", folder(), "-f", demo_model() / "heldout.txt"}), 1, said);
  const Outcome forward = adder({"forward", "-m", folder(), "--ids", "1,2,3", "--out", in_folder("out"),
                                 "--state-out", in_folder("state")});
  expect_failure(forward, 1, "hidden.3 at position 0");
  EXPECT_FALSE(std::filesystem::exists(in_folder("out")));
  EXPECT_FALSE(std::filesystem::exists(in_folder("state")));
}

}  // namespace
}  // namespace adder::test
