#include "cli/bench_output.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

namespace adder::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Host kHost{.cpu = "A CPU, \"fast\"",
                 .threads = 2,
                 .memory_bytes = 8'000'000'000,
                 .cache_bytes = 32'000'000,
                 .system = "Linux"};

measure::BenchmarkRow row(double bandwidth_share, double gemm_share = 0.1) {
  measure::BenchmarkRow out;
  out.test = "tg8";
  out.n_gen = 8;
  out.tokens_per_s = 100;
  out.samples = {99, 100.5};
  out.bandwidth_share = bandwidth_share;
  out.gemm_share = gemm_share;
  return out;
}

std::vector<BenchedModel> models() {
  BenchedModel one{.name = "org/one",
                   .dtype = "f32",
                   .description = "cpu, 1 x cpu",
                   .device = {{"plugin", "p.so"}, {"platform", "cpu"}},
                   .on_host = true,
                   .weight_bytes = 15'000'000,
                   .report = {.machine = {{10, 100, 0}, {30, 300, 0}}, .rows = {row(0.5), row(1.4)}}};
  BenchedModel two = one;
  two.name = "two";
  two.dtype = "bf16";
  two.report = {.machine = {{20, 200, 800}}, .rows = {row(0.5)}};
  return {one, two};
}

TEST(ShareNote, SaysWhyAShareExceedsTheWhole) {
  EXPECT_EQ(share_note(row(0.9), 15'000'000, 32'000'000), "");
  EXPECT_THAT(share_note(row(1.4), 15'000'000, 32'000'000),
              HasSubstr("15.0 MB, fit in the processor's cache of 32.0 MB"));
  EXPECT_THAT(share_note(row(1.4), 500'000'000, 32'000'000),
              HasSubstr("read bandwidth: the device was faster"));
  EXPECT_THAT(share_note(row(0.4, 1.1), 15'000'000, 32'000'000),
              HasSubstr("GEMM rate: the device was faster"));
}

TEST(BenchJson, NamesWhatItWasMeasuredOn) {
  const OrderedJson json = bench_json(models(), kHost);
  EXPECT_EQ(json["machine"]["read_gb_s"], 20.0);
  EXPECT_EQ(json["device"]["plugin"], "p.so");
  EXPECT_EQ(json["host"]["cpu"], kHost.cpu);
  ASSERT_EQ(json["rows"].size(), 3U);
  EXPECT_EQ(json["rows"][0]["samples"], OrderedJson({99.0, 100.5}));
  EXPECT_EQ(json["rows"][0]["n_prompt"], 0);
  EXPECT_EQ(json["rows"][0]["n_gen"], 8);
  EXPECT_FALSE(json["rows"][0].contains("note"));
  EXPECT_THAT(json["rows"][1]["note"].get<std::string>(), HasSubstr("cache"));
  EXPECT_EQ(json["rows"][2]["model"], "two");
  EXPECT_EQ(json["rows"][2]["dtype"], "bf16");
  EXPECT_TRUE(json.contains("adder") && json.contains("commit"));
}

TEST(BenchJsonl, EachLineIsWholeByItself) {
  std::istringstream in(bench_jsonl(models(), kHost));
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const auto json = OrderedJson::parse(line);
    for (const char* field : {"test", "model", "samples", "plugin", "cpu", "read_gb_s", "adder", "commit"})
      EXPECT_TRUE(json.contains(field)) << field;
  }
  EXPECT_EQ(lines, 3);
}

TEST(BenchCsv, HasAHeaderAndQuotesWhatNeedsIt) {
  const std::string csv = bench_csv(models(), kHost);
  EXPECT_THAT(csv, StartsWith("test,model,dtype,n_prompt,n_gen,batch,depth,tokens_per_s,"));
  EXPECT_THAT(csv, HasSubstr("\ntg8,org/one,f32,0,8,1,0,100.0,"));
  EXPECT_THAT(csv, HasSubstr(",99 100.5,"));
  EXPECT_THAT(csv, HasSubstr(",\"A CPU, \"\"fast\"\"\","));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
}

TEST(BenchMarkdown, HasARowEachAndTheNotes) {
  const std::string text = bench_markdown(models(), kHost);
  EXPECT_THAT(text, HasSubstr("| tg8 | org/one | f32 | 1 | 100.0 ± 0.0 | 10% | 50% |"));
  EXPECT_THAT(text, HasSubstr("\ntg8 of org/one, batch 1: more than 100% of the read bandwidth"));
}

}  // namespace
}  // namespace adder::cli
