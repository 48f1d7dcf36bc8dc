// The same model as GGUF F32 and in its own format: the same logits.

#include "base/testing.h"
#include "checkpoint/gguf_testing.h"
#include "engine_fixture.h"

namespace adder::engine {
namespace {

struct GgufParity : EngineTest, ::testing::WithParamInterface<const char*> {};

TEST_P(GgufParity, LogitsAreEqualBitForBit) {
  const adder::testing::TempDirectory dir;
  const std::filesystem::path path = dir / "model.gguf";
  for (const std::string& plugin : plugins()) {
    SCOPED_TRACE(plugin);
    const Engine& original = engine(plugin, golden_dir(GetParam()));
    adder::testing::write_file(path, checkpoint::testing::gguf_of(original.checkpoint()));
    const Engine& gguf = engine(plugin, path);
    ASSERT_EQ(gguf.checkpoint().format(), "GGUF version 3");
    AllOutputs out[2];
    for (const Engine* e : {&original, &gguf}) {
      ASSIGN_OK(State zero, e->zero_state());
      Session session(*e, std::move(zero));
      ASSIGN_OK(out[e == &gguf], session.extend_all(Golden(GetParam()).ids("input_ids")));
    }
    EXPECT_EQ(out[0].logits, out[1].logits);
    EXPECT_EQ(out[0].final_hidden, out[1].final_hidden);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, GgufParity,
                         ::testing::Values("hf-tiny", "grouped-sharded-bf16-tiny", "odd-shapes-f16-tiny",
                                           "mamba1-hf-tiny", "falcon-mamba-tiny"),
                         [](const auto& golden) {
                           std::string name = golden.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace adder::engine
