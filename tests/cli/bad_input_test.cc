#include <cstring>
#include <fstream>
#include <functional>

#include "base/testing.h"
#include "cli_fixture.h"

// Wrong input: a clear message, the right exit code, no crash.

namespace adder::test {
namespace {

using ::testing::HasSubstr;

class BadModel : public CliTest {
 protected:
  /// A copy of a golden checkpoint to be damaged.
  void SetUp() override {
    for (const char* file : {"config.json", "model.safetensors"})
      std::filesystem::copy(golden("hf-tiny") / file, folder() / file);
  }
  std::string weights() const { return in_folder("model.safetensors"); }

  /// Rewrites the header of the weights; the data stays, followed by `appended`.
  void edit_header(const std::function<void(Json&)>& edit, const std::string& appended = "") const {
    const std::string all = adder::testing::read_file(weights());
    std::uint64_t size = 0;
    std::memcpy(&size, all.data(), sizeof size);
    auto header = parse_json(std::string_view(all).substr(8, size), "header");
    ASSERT_TRUE(header) << header.error().to_string();
    edit(*header);
    const std::string text = header->dump();
    const std::uint64_t new_size = text.size();
    std::string out(sizeof new_size, '\0');
    std::memcpy(out.data(), &new_size, sizeof new_size);
    std::ofstream(weights(), std::ios::binary) << out << text << all.substr(8 + size) << appended;
  }
  void edit_config(const std::string& key, const Json& value) const {
    auto config = read_json_file(in_folder("config.json"));
    ASSERT_TRUE(config);
    (*config)[key] = value;
    (*config)["time_step_limit"] = {0.0, 1e30};  // the original's Infinity is no JSON that dump() writes
    std::ofstream(in_folder("config.json")) << config->dump();
  }
  /// Every command that opens a model must say so.
  void expect_refused(const std::string& text) const {
    expect_failure(adder({"inspect", folder()}), 1, text);
    expect_failure(adder({"generate", "-m", folder(), "--ids", "1"}), 1, text);
    expect_failure(adder({"forward", "-m", folder(), "--ids", "1", "--out", in_folder("out")}), 1, text);
    EXPECT_FALSE(std::filesystem::exists(in_folder("out")));
  }
};

constexpr const char* kTensor = "backbone.layers.1.mixer.D";

TEST_F(BadModel, TheCopyItselfIsFine) { EXPECT_EQ(adder({"inspect", folder()}).exit_code, 0); }

TEST_F(BadModel, MissingFiles) {
  expect_failure(adder({"inspect", in_folder("nowhere")}), 1, "nowhere");
  std::filesystem::remove(weights());
  expect_refused("model.safetensors");
  std::filesystem::remove(in_folder("config.json"));
  expect_refused("config.json");
}

TEST_F(BadModel, Truncated) {
  const auto size = std::filesystem::file_size(weights());
  for (const std::uintmax_t left :
       {size - 1, size / 2, std::uintmax_t{1000}, std::uintmax_t{5}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(weights(), left);
    expect_refused("model.safetensors");
  }
}

TEST_F(BadModel, OverlappingOffsets) {
  edit_header([](Json& header) {
    header[kTensor]["data_offsets"] = header["backbone.layers.0.mixer.D"]["data_offsets"];
  });
  expect_refused("backbone.layers.");
}

TEST_F(BadModel, OffsetsOutOfRange) {
  edit_header([](Json& header) {
    auto& offsets = header[kTensor]["data_offsets"];
    offsets = {offsets[0].get<std::uint64_t>() + (1ull << 40),
               offsets[1].get<std::uint64_t>() + (1ull << 40)};
  });
  expect_refused("data_offsets");
}

TEST_F(BadModel, OffsetsBackwardsOrNegative) {
  edit_header([](Json& header) {
    auto& offsets = header[kTensor]["data_offsets"];
    offsets = {offsets[1], offsets[0]};
  });
  expect_refused(kTensor);
  edit_header([](Json& header) { header[kTensor]["data_offsets"] = {-4, 28}; });
  expect_refused(kTensor);
}

TEST_F(BadModel, HeaderLargerThanTheFile) {
  std::fstream file(weights(), std::ios::binary | std::ios::in | std::ios::out);
  const std::uint64_t size = 90'000'000;
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file.close();
  expect_refused("90000000");
}

TEST_F(BadModel, HeaderThatIsNoJson) {
  std::fstream file(weights(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(8);
  file.write("][", 2);
  file.close();
  expect_refused("model.safetensors");
}

TEST_F(BadModel, WrongElementType) {
  edit_header([](Json& header) { header[kTensor]["dtype"] = "I32"; });
  expect_refused(kTensor);
}

TEST_F(BadModel, UnknownElementType) {
  edit_header([](Json& header) { header[kTensor]["dtype"] = "F33"; });
  expect_refused("F33");
}

TEST_F(BadModel, MissingAndSurplusTensorsTogether) {
  edit_header([](Json& header) {
    header["backbone.layers.1.mixer.extra"] = header[kTensor];
    header.erase(kTensor);
  });
  expect_refused(kTensor);
  EXPECT_THAT(adder({"inspect", folder()}).err, HasSubstr("backbone.layers.1.mixer.extra"));
}

TEST_F(BadModel, SurplusTensor) {
  std::uint64_t end = 0;
  edit_header(
      [&](Json& header) {
        for (const auto& [name, tensor] : header.items())
          if (tensor.contains("data_offsets"))
            end = std::max(end, tensor["data_offsets"][1].get<std::uint64_t>());
        header["surplus"] = {{"dtype", "F32"}, {"shape", {1}}, {"data_offsets", {end, end + 4}}};
      },
      "abcd");
  expect_refused("surplus");
}

TEST_F(BadModel, ConfigContradictsTheWeights) {
  edit_config("hidden_size", 128);
  edit_config("num_heads", 16);
  expect_refused("backbone.embeddings.weight");
}

TEST_F(BadModel, ConfigOfAnotherArchitecture) {
  edit_config("model_type", "llama");
  edit_config("architectures", {"LlamaForCausalLM"});
  expect_refused("config.json");
}

TEST_F(BadModel, ConfigThatIsNoJson) {
  std::ofstream(in_folder("config.json")) << "{\"hidden_size\": 64,";
  expect_refused("config.json");
}

using BadInput = CliTest;

std::vector<std::string> generate(std::vector<std::string> more) {
  std::vector<std::string> words{"generate", "-m", golden("hf-tiny")};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(BadInput, Plugins) {
  expect_failure(adder(generate({"--ids", "1", "--plugin", "/nowhere/plugin.so"})), 1, "/nowhere/plugin.so");
  expect_failure(adder(generate({"--ids", "1", "--plugin", golden("hf-tiny") / "config.json"})), 1,
                 "config.json");
  expect_failure(adder(generate({"--ids", "1", "--plugin", "no-such-platform"})), 1, "no-such-platform");
  std::ofstream(in_folder("text.so")) << "not a shared object";
  expect_failure(adder(generate({"--ids", "1"}), {{"ADDER_PLUGIN", in_folder("text.so")}}), 1, "text.so");
}

TEST_F(BadInput, TokensAndPrompts) {
  need_plugin();
  if (IsSkipped()) return;
  expect_failure(adder(generate({"--ids", "1,512"})), 1,
                 "token id 512 is outside the vocabulary: expected 0 to 511");
  expect_failure(adder(generate({"--ids", "-1"})), 1, "token id -1 is outside the vocabulary");
  expect_failure(adder(generate({"--ids", "99999999999999999999"})), 1, "is outside the vocabulary");
  expect_failure(adder(generate({"--ids", ""})), 1, "the prompt is empty");
  expect_failure(adder(generate({"-p", "text"})), 1, "tokenizer.json");
  expect_failure(adder(generate({"--ids", "1", "--stop", "x"})), 1, "--stop needs a tokenizer");
  expect_failure(adder({"generate", "-m", demo_model(), "-p", "\xff\xfe"}), 1, "UTF-8");
  expect_failure(adder({"generate", "-m", demo_model(), "-f", in_folder("none")}), 1, "none");
  expect_failure(adder(generate({"--ids", "1", "--device", "999"})), 1, "device 999 does not exist");
  expect_failure(adder(generate({"--ids", "1", "--tokenizer", in_folder("none")})), 1, "none");
}

TEST_F(BadInput, Usage) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {generate({"--ids", "1", "--bogus"}), "--bogus"},
      {generate({"--ids", "1", "surplus"}), "surplus"},
      {generate({}), "exactly one of"},
      {generate({"--ids", "1", "-p", "x"}), "exactly one of"},
      {generate({"--ids", "1;2"}), "--ids: \"1;2\" is not a whole number"},
      {generate({"--ids", "1", "-n", "many"}), "-n: \"many\" is not a number"},
      {generate({"--ids", "1", "--predict", "-2"}), "--predict"},
      {generate({"--ids", "1", "--block", "0"}), "--block"},
      {generate({"--ids", "1", "--temp", "-1"}), "--temp is -1"},
      {generate({"--ids", "1", "--temperature", "nan"}), "--temperature is nan"},
      {generate({"--ids", "1", "--top-p", "1.5"}), "--top-p is 1.5"},
      {generate({"--ids", "1", "--top-k", "-3"}), "--top-k is -3"},
      {generate({"--ids", "1", "--repeat-penalty", "0"}), "--repeat-penalty is 0"},
      {generate({"--ids", "1", "-s", "-2"}), "-s: "},
      {generate({"--ids", "1", "--stop", ""}), "--stop"},
      {generate({"--ids", "1", "--dtype", "int4"}), "\"int4\" is none of auto, f32, bf16, int8"},
      {generate({"--ids", "1", "--precision", "low"}), "{highest,default}"},
      {generate({"--ids", "1", "--device", "-1"}), "--device"},
      {generate({"--ids", "1", "--device", "cuda:0"}), "the kind of device is --plugin cuda"},
      {generate({"--ids", "1", "-ngl", "99"}), "-ngl: a model runs whole on one device"},
      {generate({"--ids", "1", "-c", "4096"}), "no context window"},
      {generate({"--ids", "1", "-md", "draft"}), "speculative"},
      {generate({"--ids", "1", "--dtpye", "f32"}), "there is no option --dtpye\nhint: did you mean --dtype?"},
      {{"generate", "--ids", "1"}, "no model: give it as the first argument or with -m"},
      {{"forward", "-m", golden("hf-tiny"), "--ids", "1"}, "--out is required"},
      {{"forward", "-m", golden("hf-tiny"), "--out", "x"}, "exactly one of"},
      {{"inspect"}, "no model: give it as the first argument or with -m"},
      {{"bogus"}, "there is no command \"bogus\""},
      {{"genrate", "-p", "x"}, "did you mean `adder generate`?"},
      {{"-m", golden("hf-tiny"), "-p", "x"}, "-m comes after a command"},
      {{"--bogus"}, "--bogus"},
      {{"help", "bogus"}, "there is no command \"bogus\""},
  };
  for (const auto& [words, text] : cases) {
    SCOPED_TRACE(::testing::PrintToString(words));
    const Outcome outcome = adder(words);
    expect_failure(outcome, 2, text);
    EXPECT_THAT(outcome.err, HasSubstr("\nhint: "));
  }
}

TEST_F(BadInput, WithoutACommandTheHelpGoesToStderr) {
  const Outcome outcome = adder({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("generate"));
}

TEST_F(BadInput, HelpAndVersionAreResults) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"help"},
                                                {"--help"},
                                                {"help", "generate"},
                                                {"generate", "--help"},
                                                {"forward", "-h"}}) {
    const Outcome outcome = adder(words);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("Usage: adder"));
  }
  const Outcome version = adder({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out,
              ::testing::MatchesRegex("adder [0-9]+\\.[0-9]+\\.[0-9]+ \\(PJRT API [0-9.]+\\)\n"));
}

}  // namespace
}  // namespace adder::test
