// adder bench: rows, and the paper's suite as JSON and as a report.

#include <signal.h>

#include <fstream>
#include <sstream>

#include "base/testing.h"
#include "cli_fixture.h"

namespace adder::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

class Bench : public CliTest {
 protected:
  static std::vector<std::string> quick(const std::vector<std::string>& more) {
    std::vector<std::string> words{"bench", "--suite", "paper", "--quick", "--dtype", "f32", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// A PATH on which there is no gnuplot.
  Process::Environment without_gnuplot() const { return {{"PATH", in_folder("nothing")}}; }
};

TEST_F(Bench, RowsAreTheContracts) {
  need_plugin();
  if (IsSkipped()) return;
  const Outcome outcome = adder(
      {"bench", "-m", golden("hf-tiny"), "-p", "16", "-n", "8", "-d", "0,32", "-r", "1", "-o", "json", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = parse_json(outcome.out, "stdout");
  ASSERT_TRUE(result) << outcome.out;
  EXPECT_GT((*result)["machine"]["read_gb_s"], 0.0);
  EXPECT_GT((*result)["machine"]["gemm_gflop_s"], 0.0);
  const Json& rows = (*result)["rows"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1]["test"], "tg8");
  EXPECT_EQ(rows[3]["test"], "tg8 @ d32");
  EXPECT_EQ(rows[3]["depth"], 32);
  for (const Json& row : rows)
    for (const char* field : {"model", "dtype", "batch", "tokens_per_s", "gemm_share", "bandwidth_share",
                              "state_bytes", "peak_bytes", "n_prompt", "n_gen", "samples"})
      EXPECT_TRUE(row.contains(field)) << field;
  for (const char* field : {"adder", "commit", "host", "device"})
    EXPECT_TRUE(result->contains(field)) << field;
  EXPECT_EQ((*result)["device"]["platform"], "cpu");
}

TEST_F(Bench, TakesSeveralModelsRangesAndNoPrompts) {
  need_plugin();
  if (IsSkipped()) return;
  const Outcome outcome = adder({"bench", golden("hf-tiny"), "-m", golden("limits-bias-tiny"), "-p", "0",
                                 "-n", "4-8*2", "--parallel", "1,2", "-r", "2", "-o", "jsonl", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::vector<std::string> seen;
  std::istringstream in(outcome.out);
  for (std::string line; std::getline(in, line);) {
    const auto row = parse_json(line, "stdout");
    ASSERT_TRUE(row) << line;
    seen.push_back((*row)["model"].get<std::string>() + " " + (*row)["test"].get<std::string>() + " " +
                   (*row)["batch"].dump());
    EXPECT_EQ((*row)["samples"].size(), 2U);
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("hf-tiny tg4 1", "hf-tiny tg8 1", "hf-tiny tg4 2", "hf-tiny tg8 2",
                                           "limits-bias-tiny tg4 1", "limits-bias-tiny tg8 1",
                                           "limits-bias-tiny tg4 2", "limits-bias-tiny tg8 2"));
}

TEST_F(Bench, AnInterruptStopsIt) {
  need_plugin();
  if (IsSkipped()) return;
  Process process =
      start({"bench", "-m", golden("hf-tiny"), "-p", "0", "-n", "2048", "-r", "1000", "-v", "--no-cache"});
  ASSERT_TRUE(process.wait_for_error("compiled", std::chrono::seconds(120)));
  process.send(SIGINT);
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

void expect_sane(const Json& model) {
  EXPECT_EQ(model.at("dtype"), "f32");
  EXPECT_GT(model.at("machine").at("read_gb_s"), 0.0);
  const Json& e = model.at("experiments");
  for (const char* experiment :
       {"recompute", "prefill", "positions", "generation", "memory", "loops", "batch"})
    EXPECT_GE(e.at(experiment).size(), 2u) << experiment;
  for (const Json& row : e.at("recompute")) {
    EXPECT_GT(row.at("total_s"), row.at("step_s"));
    EXPECT_GT(row.at("total_speedup"), 0.0);
  }
  for (const Json& row : e.at("prefill")) {
    EXPECT_GT(row.at("gemm_share"), 0.0);
    EXPECT_EQ(row.at("repetitions"), 1);
  }
  EXPECT_EQ(e.at("positions").back().at("position"), 200);
  for (const Json& row : e.at("positions")) EXPECT_EQ(row.at("state_bytes"), model.at("state_bytes"));
  EXPECT_EQ(e.at("loops")[0].at("loop"), "host");
  EXPECT_EQ(e.at("loops")[0].at("over_host_loop"), 1.0);
  EXPECT_EQ(e.at("loops")[1].at("loop"), "pipelined");
  for (const Json& row : e.at("loops")) EXPECT_EQ(row.at("same_tokens"), true);
  double before = 0;
  for (const Json& row : e.at("generation")) {
    EXPECT_GE(row.at("seconds"), before);
    before = row.at("seconds");
  }
}

TEST_F(Bench, SuiteWritesNumbersAndAReportThatNeedsNothingElse) {
  need_plugin();
  if (IsSkipped()) return;
  const std::string out = in_folder("out");
  const Outcome outcome = adder(quick({"-m", golden("hf-tiny"), "-m", golden("limits-bias-tiny"), "--out",
                                       out, "--lengths", "16,96", "--max-position", "200"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, out + "/suite.json\n" + out + "/report.html\n");
  const auto suite = read_json_file(out + "/suite.json");
  ASSERT_TRUE(suite) << suite.error().to_string();
  EXPECT_EQ(suite->at("schema"), "adder-suite/1");
  ASSERT_EQ(suite->at("models").size(), 2u);
  EXPECT_EQ(suite->at("models")[0].at("model"), "hf-tiny");
  for (const Json& model : suite->at("models")) expect_sane(model);
  const std::string page = adder::testing::read_file(out + "/report.html");
  EXPECT_EQ(count(page, "<svg"), 22u);
  EXPECT_EQ(count(page, "</svg>"), 22u);
  EXPECT_EQ(count(page, "<h2 id="), 11u);
  for (const char* foreign : {"http", "<script", "src="}) EXPECT_THAT(page, Not(HasSubstr(foreign)));

  // Several files make one report.
  const Outcome merged = adder({"bench", "--report", out + "/suite.json", "--report", out + "/suite.json",
                                "--out", in_folder("merged")});
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_THAT(adder::testing::read_file(in_folder("merged/report.html")), HasSubstr("hf-tiny #2"));
}

TEST_F(Bench, WithoutGnuplotTheNumbersAreThereAndOneMessage) {
  need_plugin();
  if (IsSkipped()) return;
  const std::string out = in_folder("out"), json = out + "/suite.json";
  std::vector<std::string> words{"bench",           "--suite", "paper", "--quick",   "-m",
                                 golden("hf-tiny"), "--out",   out,     "--lengths", "16",
                                 "--max-position",  "100"};
  const Outcome outcome = adder(words, without_gnuplot());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, json + "\n");
  EXPECT_EQ(count(outcome.err, "gnuplot-nox"), 1u) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("adder bench --report FILE.json --out DIR"));
  EXPECT_FALSE(std::filesystem::exists(out + "/report.html"));
  expect_failure(adder({"bench", "--report", json, "--out", out}, without_gnuplot()), 1, "gnuplot-nox");
  EXPECT_EQ(adder({"bench", "--report", json, "--out", out}).exit_code, 0);
  EXPECT_EQ(count(adder::testing::read_file(out + "/report.html"), "<svg"), 22u);
}

TEST_F(Bench, SuiteWithoutAFolderPrintsItsJson) {
  need_plugin();
  if (IsSkipped()) return;
  const Outcome outcome =
      adder(quick({"-m", golden("hf-tiny"), "--lengths", "16", "--max-position", "20", "--budget", "0.01"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = parse_json(outcome.out, "stdout");
  ASSERT_TRUE(result) << outcome.out;
  EXPECT_GE((*result)["models"][0]["dropped"].size(), 1u);
  EXPECT_EQ((*result)["models"][0]["experiments"]["positions"].size(), 1u);
}

TEST_F(Bench, MistakesAreNamed) {
  expect_failure(adder({"bench"}), 2, "no model: give it as the first argument or with -m");
  expect_failure(adder({"bench", "-m", golden("hf-tiny"), "-p", "0", "-n", "0"}), 2, "nothing to measure");
  expect_failure(adder({"bench", "-m", golden("hf-tiny"), "-p", "4-1"}), 2, "\"4-1\": expected 0 to 1048576");
  expect_failure(adder({"bench", "-m", golden("hf-tiny"), "-b", "0"}), 2, "\"0\": expected 1 to");
  expect_failure(adder({"bench", "--suite", "book", "-m", golden("hf-tiny")}), 2, "--suite");
  expect_failure(adder({"bench", "-m", golden("hf-tiny"), "--quick"}), 2, "--suite");
  expect_failure(adder({"bench", "-m", golden("hf-tiny"), "--out", in_folder("o")}), 2, "--out");
  expect_failure(adder({"bench", "--report", in_folder("none")}), 2, "--out");
  expect_failure(adder({"bench", "--report", in_folder("none"), "--out", in_folder("o")}), 1, "none");
  std::ofstream(in_folder("odd.json")) << R"({"schema": "adder-suite/1", "host": {}})";
  expect_failure(adder({"bench", "--report", in_folder("odd.json"), "--out", in_folder("o")}), 1,
                 "odd.json: host.cpu: expected a value, found null");
}

}  // namespace
}  // namespace adder::test
