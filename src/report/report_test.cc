#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/captions.h"
#include "report/gnuplot.h"
#include "report/svg.h"

namespace adder::report {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

Json row(const char* at, double value) {
  return {{at, value},          {"repetitions", 3},           {"seconds", 0.5},
          {"seconds_sd", 0.01}, {"tokens_per_s", 20 * value}, {"tokens_per_s_sd", 1},
          {"gemm_share", 0.5},  {"bandwidth_share", 0.9}};
}

Json with(Json object, const Json& more) {
  object.update(more);
  return object;
}

Json a_model(const std::string& name) {
  Json loops = Json::array();
  for (const char* loop : {"host", "pipelined", "device"})
    loops.push_back(with(row("block", loop == std::string("device") ? 16 : 1),
                         {{"loop", loop}, {"over_host_loop", 1.5}, {"same_tokens", true}}));
  return {
      {"model", name},
      {"parameters", 1000000},
      {"dtype", "f32"},
      {"device", {{"plugin", "p.so"}, {"platform", "cpu"}, {"api_version", "0.1"}, {"kind", "cpu"}}},
      {"machine", {{"read_gb_s", 30.5}, {"gemm_gflop_s", 200}}},
      {"weight_bytes", 4e6},
      {"state_bytes", 1e5},
      {"sample_tokens", 64},
      {"budget_s", 60},
      {"seconds", 12},
      {"dropped", {{{"experiment", "positions"}, {"at", 100000}, {"estimated_s", 147}}}},
      {"experiments",
       {{"recompute",
         {{{"tokens", 128},
           {"step_s", 0.2},
           {"cached_step_s", 0.02},
           {"step_speedup", 10},
           {"total_s", 14},
           {"cached_total_s", 2.5},
           {"cached_total_measured", true},
           {"total_speedup", 5.6}}}},
        {"prefill", {row("tokens", 1), row("tokens", 128)}},
        {"positions",
         {with(
             row("position", 100),
             {{"ms_per_token", 20}, {"state_bytes", 1e5}, {"program_bytes", 5e6}, {"process_bytes", 9e8}})}},
        {"generation", {row("tokens", 128)}},
        {"memory",
         {{{"tokens", 128},
           {"cached_bytes", 5e6},
           {"recomputed_bytes", 6e6},
           {"one_program_bytes", nullptr},
           {"process_cached_bytes", nullptr},
           {"process_recomputed_bytes", 9e8}}}},
        {"loops", loops},
        {"batch",
         {with(row("batch", 1), {{"state_bytes", 1e5}, {"program_bytes", nullptr}}),
          with(row("batch", 2), {{"state_bytes", 2e5}, {"program_bytes", nullptr}})}}}}};
}

Json a_document(const std::vector<std::string>& names) {
  Json models = Json::array();
  for (const std::string& name : names) models.push_back(a_model(name));
  return {{"schema", kSchema},
          {"created", "2026-01-02T03:04:05Z"},
          {"host", {{"cpu", "A CPU"}, {"threads", 2}, {"memory_bytes", 24.0 * (1 << 30)}}},
          {"models", models}};
}

std::vector<Model> models_of(const Json& document) {
  auto models = read_suite(document, "test");
  EXPECT_TRUE(models) << models.error().to_string();
  return models ? *std::move(models) : std::vector<Model>();
}

TEST(Report, HasEveryFigureOnceAndNeedsNothingElse) {
  const auto page = render(models_of(a_document({"mamba2-130m", "mamba2-370m"})));
  ASSERT_TRUE(page) << page.error().to_string();
  const char* ids[] = {"speedup-total",   "speedup-step",   "latency-position",
                       "memory-position", "latency-length", "throughput-length",
                       "memory-length",   "prefill-flops",  "decode-bandwidth",
                       "loops",           "batch"};
  for (const char* id : ids) {
    EXPECT_EQ(count(*page, std::string("<h2 id=\"") + id + "\">"), 1u) << id;
    EXPECT_NE(caption_of(id), "") << id;
  }
  EXPECT_EQ(count(*page, "<svg"), 2 * std::size(ids));  // one for a wide page, one for a narrow one
  EXPECT_EQ(count(*page, "</svg>"), 2 * std::size(ids));
  EXPECT_EQ(count(*page, "<figure>"), std::size(ids));
  EXPECT_EQ(count(*page, "<table>"), std::size(ids) + 1);
  for (const char* foreign : {"http", "<script", "xlink", "@import", "url(", "src="})
    EXPECT_THAT(*page, Not(HasSubstr(foreign)));
  EXPECT_THAT(*page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(*page,
              HasSubstr("Run on A CPU, 2 threads, 24 GiB, through p.so (cpu, API 0.1); weights in f32"));
  EXPECT_THAT(*page, HasSubstr("read 30 GB/s, float32 GEMM 200 GFLOP/s"));
  EXPECT_THAT(*page, HasSubstr("positions at 100000 (estimated 147 s)"));
  EXPECT_THAT(*page, Not(HasSubstr("rgb(")));  // every colour is the page's
}

TEST(Report, AxesAndLegendsAreSeenInTheDark) {
  const auto page = render(models_of(a_document({"mamba2-130m", "mamba2-370m"})));
  ASSERT_TRUE(page) << page.error().to_string();
  for (const char* own : {" color=", "\"black\"", "'black'", "\"gray\"", "'gray'", "'#000", "\"white\""})
    EXPECT_THAT(*page, Not(HasSubstr(own)));
  for (const char* mark : {"color:var(--s0)", "color:var(--s1)"}) EXPECT_THAT(*page, HasSubstr(mark));
}

TEST(Report, BeginsWithTheResultInOneSentence) {
  const auto page = render(models_of(a_document({"mamba2-130m"})));
  ASSERT_TRUE(page) << page.error().to_string();
  const std::string sentence =
      "<p class=\"result\"><b>mamba2-130m</b>: generating 128 tokens takes 2.5 s with the cached state, 6 "
      "times "
      "less than recomputing the prefix for every token would (summed from measured steps); decode reaches "
      "90% of "
      "the read bandwidth measured beside it; prefill of 128 tokens and more reaches 50% of the float32 GEMM "
      "rate.</p>";
  EXPECT_THAT(*page, HasSubstr(sentence));
  EXPECT_LT(page->find("class=\"result\""), page->find("<table>"));
  Json document = a_document({"m"});
  for (Json& rows : document["models"][0]["experiments"]) rows = Json::array();
  EXPECT_EQ(result_of(models_of(document)[0]), "nothing was measured.");
}

TEST(Report, OneModelIsNotNamedInEveryRow) {
  const std::string cell = "<td>mamba2-130m</td>";
  const auto one = render(models_of(a_document({"mamba2-130m"})));
  const auto two = render(models_of(a_document({"mamba2-130m", "mamba2-370m"})));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(count(*one, cell), 1u);
  EXPECT_GT(count(*two, cell), 11u);
}

TEST(Report, NamesCanNeitherRunNorBreakAnything) {
  const std::string name = "a'b\"<script>`id`\n$(x)\\&";
  const auto page = render(models_of(a_document({name})));
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_THAT(*page, Not(HasSubstr("<script")));
  EXPECT_THAT(*page, Not(HasSubstr("uid=")));
  EXPECT_THAT(*page, HasSubstr("a&#39;b&quot;&lt;script&gt;"));
}

TEST(Report, ANullIsAGapNotAPoint) {
  std::vector<Model> models = models_of(a_document({"m"}));
  label_models(models);
  for (const Figure& f : make_figures(models)) {
    if (f.id != "memory-length") continue;
    ASSERT_EQ(f.lines.size(), 2u);
    EXPECT_EQ(f.lines[0].label, "m, cached");
    EXPECT_EQ(f.lines[1].label, "m, recomputed in pieces");
    EXPECT_EQ(f.table.rows[0][3], "–");
  }
}

TEST(Report, AnExperimentWithoutRowsLeavesAnEmptyPicture) {
  Json document = a_document({"m"});
  document["models"][0]["experiments"]["recompute"] = Json::array();
  const auto page = render(models_of(document));
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_THAT(*page, HasSubstr("Nothing was run."));
  EXPECT_EQ(count(*page, "<svg"), 22u);
}

TEST(ReportFile, AFaultIsNamedWithItsPlace) {
  Json document = a_document({"m", "n"});
  document["models"][1]["experiments"]["loops"][2]["block"] = "many";
  auto models = read_suite(document, "f.json");
  ASSERT_FALSE(models);
  EXPECT_EQ(models.error().code, ErrorCode::corrupt);
  EXPECT_EQ(models.error().message,
            "f.json: models[1].experiments.loops[2].block: expected a number, found the string \"many\"");
  document = a_document({"m"});
  document["models"][0].erase("experiments");
  models = read_suite(document, "f.json");
  ASSERT_FALSE(models);
  EXPECT_THAT(models.error().message, HasSubstr("models[0].experiments: expected a value"));
  for (const Json& odd : {Json(nullptr), Json(3), Json::array(), Json{{"schema", "other"}}, a_document({})})
    EXPECT_FALSE(read_suite(odd, "f.json")) << odd;
  document = a_document({"m"});
  document["models"][0]["experiments"]["prefill"][0] = 7;
  EXPECT_FALSE(read_suite(document, "f.json"));
}

TEST(ReportFile, LabelsTellModelsApart) {
  std::vector<Model> models = models_of(a_document({"m", "m", "n"}));
  label_models(models);
  EXPECT_EQ(models[0].label, "m");
  EXPECT_EQ(models[1].label, "m #2");
  models[1].dtype = "bf16";
  label_models(models);
  EXPECT_EQ(models[0].label, "m, f32");
  EXPECT_EQ(models[1].label, "m, bf16");
}

TEST(InlineSvg, MarksBecomeThePagesColoursAndIdsAreOwn) {
  const auto svg = inline_svg(
      "<?xml version=\"1.0\"?><svg viewBox=\"0 0 8 4\" xmlns=\"http://www.w3.org/2000/svg\"><title>x</title>"
      "<g id=\"p\" stroke='rgb(  1,   3,   2)' fill = \"rgb(1,1,0)\"><use xlink:href='#p'/>"
      "<path stroke='rgb(9, 3, 2)'/></g></svg>",
      "f", "A & B");
  ASSERT_TRUE(svg) << svg.error().to_string();
  EXPECT_EQ(*svg,
            "<svg viewBox=\"0 0 8 4\" role=\"img\" aria-labelledby=\"f-title\"><title id=\"f-title\">A &amp; "
            "B</title><g id=\"f-p\" style='stroke:var(--s2)' style=\"fill:currentColor\"><use href='#f-p'/>"
            "<path stroke='rgb(9, 3, 2)'/></g></svg>");
  EXPECT_FALSE(inline_svg("gnuplot says no", "f", "t"));
  EXPECT_FALSE(inline_svg("<svg>no box</svg>", "f", "t"));
}

TEST(Gnuplot, WhatItSaysIsTheError) {
  const auto drawn = run_gnuplot("plot 'no such file'\n");
  ASSERT_FALSE(drawn);
  EXPECT_THAT(drawn.error().message, HasSubstr("gnuplot ended with status"));
}

}  // namespace
}  // namespace adder::report
