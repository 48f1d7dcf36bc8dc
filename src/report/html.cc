#include "report/html.h"

#include <fmt/format.h>

#include "report/captions.h"
#include "report/svg.h"

namespace adder::report {

namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2330; --soft: #5a6272; --grid: #dfe3ea; --rule: #c9ced8;
  --s0: #0b62c4; --s1: #c4490b; --s2: #0a7d4f; --s3: #9a2aa8; --s4: #8a6a00; --s5: #0d7f91; --s6: #b3123f; --s7: #4b5563; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171d; --text: #e4e8ef; --soft: #a3abb9; --grid: #2b313c; --rule: #3a414e;
    --s0: #6cb0ff; --s1: #ff9a5c; --s2: #4fd69a; --s3: #e08bee; --s4: #e6c34a; --s5: #5ed3e6; --s6: #ff7a9e; --s7: #aeb6c4; } }
body { background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; margin: 0 auto;
  max-width: 62rem; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin: 3rem 0 .5rem; }
figure { margin: 0; } svg { display: block; height: auto; max-width: 100%; }
figcaption { max-width: 46rem; } .result { border-left: 3px solid var(--s0); padding-left: .8rem; }
.narrow { display: none; } .run, .note { color: var(--soft); font-size: .88rem; }
.scroll { overflow-x: auto; } nav ol { columns: 2; padding-left: 1.4rem; } a { color: var(--s0); }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { border-bottom: 1px solid var(--rule); padding: .2rem .7rem .2rem 0; text-align: right; white-space: nowrap; }
th { max-width: 7.5rem; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; }
@media (max-width: 36rem) { .wide { display: none; } .narrow { display: block; } nav ol { columns: 1; } h1 { font-size: 1.4rem; } }
)";

/// Without the first column, the model, where there is only one to name.
std::string table(const Table& t, bool with_model = true) {
  const std::size_t first = with_model ? 0 : 1;
  std::string out = "<div class=\"scroll\"><table>\n<tr>";
  for (std::size_t i = first; i < t.head.size(); ++i) out += "<th>" + escape_html(t.head[i]) + "</th>";
  out += "</tr>\n";
  for (const auto& row : t.rows) {
    out += "<tr>";
    for (std::size_t i = first; i < row.size(); ++i) out += "<td>" + escape_html(row[i]) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string model_table(const std::vector<Model>& models) {
  Table t{.head = {"model", "parameters, M", "weights", "weights, MB", "state, MB", "read, GB/s",
                   "GEMM, GFLOP/s", "block, tokens", "took, s", "when"},
          .rows = {}};
  for (const Model& m : models)
    t.rows.push_back({m.label, fmt::format("{:.1f}", m.parameters / 1e6), m.dtype,
                      fmt::format("{:.1f}", m.weight_bytes / 1e6), fmt::format("{:.2f}", m.state_bytes / 1e6),
                      fmt::format("{:.1f}", m.read_gb_s), fmt::format("{:.0f}", m.gemm_gflop_s),
                      fmt::format("{:.0f}", m.sample_tokens), fmt::format("{:.0f}", m.seconds), m.created});
  return table(t);
}

std::string dropped(const std::vector<Model>& models) {
  std::string out;
  for (const Model& m : models) {
    if (m.dropped.empty()) continue;
    out += fmt::format("<li>{}, budget {:.0f} s: ", escape_html(m.label), m.budget_s);
    for (std::size_t i = 0; i < m.dropped.size(); ++i) out += (i ? ", " : "") + escape_html(m.dropped[i]);
    out += "</li>\n";
  }
  if (out.empty()) return "";
  return "<p class=\"note\">Not measured, to stay within the time budget:</p>\n<ul class=\"note\">\n" + out +
         "</ul>\n";
}

std::string results(const std::vector<Model>& models) {
  std::string out;
  for (const Model& m : models)
    out += fmt::format("<p class=\"result\"><b>{}</b>: {}</p>\n", escape_html(m.label),
                       escape_html(result_of(m)));
  return out;
}

}  // namespace

std::string make_page(const std::vector<Model>& models, const std::vector<Picture>& pictures) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Adder: the paper's "
      "experiments</title>\n<style>{}</style>\n</head>\n<body>\n<h1>Adder: the paper's experiments</h1>\n"
      "{}<p>The experiments of arXiv 2603.09555, measured by <code>adder bench --suite paper</code>. Rates "
      "are "
      "medians over repetitions. Shares are of what small programs reached through the same plugin just "
      "before "
      "each repetition, so that a machine whose speed drifts still gives a fair ratio. Prompts are made of "
      "ids "
      "spread over the vocabulary; generation is greedy, and tokenising is not timed.</p>\n",
      kStyle, results(models));
  out += model_table(models) + dropped(models) + "<nav><ol>\n";
  for (const Picture& p : pictures)
    out += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", p.figure.id, escape_html(p.figure.title));
  out += "</ol></nav>\n";
  for (const Picture& p : pictures)
    out += fmt::format(
        "<h2 id=\"{}\">{}</h2>\n<figure>\n<div class=\"wide\">{}</div>\n<div "
        "class=\"narrow\">{}</div>\n<figcaption><p>{}</p><p class=\"run\">{}</p></figcaption>\n"
        "</figure>\n{}",
        p.figure.id, escape_html(p.figure.title), p.wide, p.narrow, escape_html(p.figure.caption),
        escape_html(p.run), table(p.figure.table, models.size() > 1));
  return out + "</body>\n</html>\n";
}

}  // namespace adder::report
