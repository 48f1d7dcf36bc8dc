#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;

class Inspect : public CliTest {
 protected:
  /// Nothing that a plugin could be found by: inspect needs none.
  static Outcome inspect(std::vector<std::string> words) {
    words.insert(words.begin(), "inspect");
    return adder(words, {{"ADDER_PLUGIN", "/nowhere.so"}});
  }
};

TEST_F(Inspect, SaysWhatTheModelIs) {
  const Outcome outcome = inspect({demo_model()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  for (const char* text : {"Mamba-2", "6 layers", "D 256", "3653408", "BF16", "832512 bytes"})
    EXPECT_THAT(outcome.out, HasSubstr(text));
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("mixer.in_proj")));
}

TEST_F(Inspect, ListsTensors) {
  const Outcome outcome = inspect({"-m", golden("grouped-sharded-bf16-tiny"), "--tensors"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("backbone.layers.2.mixer.in_proj.weight"));
  EXPECT_THAT(outcome.out, HasSubstr("model-00003-of-00003.safetensors"));
}

TEST_F(Inspect, JsonAgreesWithTheGoldensStates) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Tensors expected(golden(name) / "expected.safetensors");
    const Json result = json({"inspect", golden(name), "--tensors"});
    std::int64_t state = 0;
    for (const std::string& tensor : expected.names())
      if (tensor.find("_state.") != std::string::npos)
        state += static_cast<std::int64_t>(expected.floats(tensor).size() * sizeof(float));
    EXPECT_EQ(result["state_bytes_per_sequence"], state);
    std::int64_t stored = 0, elements = 0;
    for (const Json& tensor : result["tensors"]) {
      stored += tensor["bytes"].get<std::int64_t>();
      std::int64_t n = 1;
      for (const Json& dim : tensor["shape"]) n *= dim.get<std::int64_t>();
      elements += n;
    }
    EXPECT_EQ(result["stored_bytes"], stored);
    EXPECT_EQ(result["parameters"], elements);
    EXPECT_EQ(result["memory_bytes"]["f32"]["weights"], 4 * elements);
    EXPECT_LT(result["memory_bytes"]["bf16"]["total"], result["memory_bytes"]["f32"]["total"]);
    EXPECT_EQ(result["config"]["padded_vocab_size"], expected.dims("logits").back());
  }
}

}  // namespace
}  // namespace adder::test
