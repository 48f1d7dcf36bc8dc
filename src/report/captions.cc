#include "report/captions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace adder::report {

namespace {

const std::map<std::string, std::string>& captions() {
  static const std::map<std::string, std::string> all{
      {"speedup-total",
       "How many times faster a whole generation of that length is with the cached state than when every "
       "token "
       "runs the whole prefix through prefill again. Recomputation's total is the sum over every length up "
       "to "
       "this one of the measured cost of one such step, linear between measured lengths, which no padding "
       "makes worse. The cached total is measured from a one-token prompt (where the table says so, it is "
       "the "
       "measured step times the length)."},
      {"speedup-step",
       "The same for the one next token at that length: a prefill of the whole prefix with the last "
       "position's "
       "logits, against one step of the cached decode loop at that position."},
      {"latency-position",
       "Time for one token at a position. Solid: cached decode from a state that really absorbed that many "
       "tokens; it should be flat. Dashed: one step of full recomputation, which grows with the length. The "
       "positions take turns, round after round, so that a machine that drifts slows none of them alone."},
      {"memory-position",
       "What is held at a position. Solid: the state of one sequence. Dashed: the process's resident memory "
       "just after decoding there (weights, programs, the probe's 0.6 GB and the states of all positions "
       "included). Both should be flat."},
      {"latency-length",
       "Time to generate that many tokens. Solid: cached, one generation of the longest length, read off as "
       "each length reached the host. Dashed: full recomputation, summed as for the first figure."},
      {"throughput-length", "The same as tokens a second over the whole generation."},
      {"memory-length",
       "Device memory that generating that many tokens needs at most: arguments (weights included), results "
       "that are not in donated arguments, and temporaries of the largest program, as its compiler planned "
       "it. "
       "Solid: the cached decode loop. Dashed: full recomputation in one program of that length, compiled "
       "for "
       "this figure and not run. Dotted: full recomputation as Adder runs it, in pieces of at most 2,048 "
       "tokens that carry the state, which is also what was timed above. The table adds the process's peak "
       "(VmHWM, set back before each measurement), with the probe's 0.6 GB and whatever the process keeps."},
      {"prefill-flops",
       "Products that prefill does (projections, head of the last position, state space products) in a "
       "second, "
       "as a share of the float32 matrix product rate that small programs reached through the same plugin "
       "just "
       "before each repetition. Above 100% is possible where weights are narrower than float32."},
      {"decode-bandwidth",
       "Bytes that a decode step must move (the weights once, the state read and written) in a second, as a "
       "share of the read bandwidth that small programs reached through the same plugin just before each "
       "repetition; after a prompt of that length. Above 100% is possible where the model fits into caches."},
      {"loops",
       "Tokens a second relative to the host loop, which makes one call a token and waits for the token "
       "before "
       "it makes the next. Pipelined: one call a token, the next one enqueued while a token is read. Device "
       "loop: S steps in one call. All of them give the same tokens, as the table says."},
      {"batch",
       "Tokens a second of all rows together, by the number of sequences that are decoded at once: the "
       "weights "
       "are read once for all of them, the states once for each."}};
  return all;
}

/// "a" or "a to b".
std::string span(double low, double high, const char* unit) {
  const auto text = [](double x) { return x < 10 ? fmt::format("{:.1f}", x) : fmt::format("{:.0f}", x); };
  return text(low) == text(high) ? fmt::format("{} {}", text(low), unit)
                                 : fmt::format("{} to {} {}", text(low), text(high), unit);
}

std::string joined(const std::set<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

struct Range {
  double low = 0, high = 0;
  bool any = false;
  void add(double x) {
    low = any ? std::min(low, x) : x;
    high = any ? std::max(high, x) : x;
    any = true;
  }
};

/// 100000 as "100,000".
std::string grouped(double number) {
  std::string out = fmt::format("{:.0f}", number);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, 1, ',');
  return out;
}

/// "66 to 110%", "" without rows.
std::string percent(const Json& rows, const char* field, const char* at = nullptr, double least = 0) {
  Range range;
  for (const Json& row : rows)
    if (at == nullptr || row.at(at).get<double>() >= least) range.add(100 * row.at(field).get<double>());
  if (!range.any) return "";
  const std::string low = fmt::format("{:.0f}", range.low), high = fmt::format("{:.0f}", range.high);
  return (low == high ? low : low + " to " + high) + "%";
}

}  // namespace

std::string caption_of(const std::string& figure_id) {
  const auto found = captions().find(figure_id);
  return found == captions().end() ? "" : found->second;
}

std::string result_of(const Model& model) {
  std::vector<std::string> parts;
  const auto rows = [&](const char* experiment) -> const Json& { return model.experiments.at(experiment); };
  if (const Json& all = rows("recompute"); !all.empty())
    parts.push_back(fmt::format(
        "generating {} tokens takes {:.1f} s with the cached state, {:.0f} times less than recomputing the "
        "prefix "
        "for every token would (summed from measured steps)",
        grouped(all.back().at("tokens").get<double>()), all.back().at("cached_total_s").get<double>(),
        all.back().at("total_speedup").get<double>()));
  if (const Json& all = rows("positions"); all.size() > 1)
    parts.push_back(fmt::format(
        "a token takes {:.1f} ms at position {} and {:.1f} ms at position {}",
        all.front().at("ms_per_token").get<double>(), grouped(all.front().at("position").get<double>()),
        all.back().at("ms_per_token").get<double>(), grouped(all.back().at("position").get<double>())));
  if (const std::string share = percent(rows("positions"), "bandwidth_share"); !share.empty())
    parts.push_back("decode reaches " + share + " of the read bandwidth measured beside it");
  if (const std::string share = percent(rows("prefill"), "gemm_share", "tokens", 128); !share.empty())
    parts.push_back("prefill of 128 tokens and more reaches " + share + " of the float32 GEMM rate");
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out.empty() ? "nothing was measured." : out + ".";
}

std::string what_was_run(const std::vector<Model>& models, const std::string& experiment) {
  std::set<std::string> hosts, plugins, dtypes;
  Range read, gemm, repetitions;
  for (const Model& m : models) {
    const Json& rows = m.experiments.at(experiment);
    if (rows.empty()) continue;
    hosts.insert(m.host);
    plugins.insert(m.plugin);
    dtypes.insert(m.dtype);
    read.add(m.read_gb_s);
    gemm.add(m.gemm_gflop_s);
    for (const Json& row : rows)
      if (row.contains("repetitions")) repetitions.add(row.at("repetitions").get<double>());
  }
  if (hosts.empty()) return "Nothing was run.";
  std::string out = fmt::format("Run on {}, through {}; weights in {}, batch 1 unless said", joined(hosts),
                                joined(plugins), joined(dtypes));
  if (repetitions.any)
    out +=
        fmt::format("; median of {}", repetitions.high == 1 && repetitions.low == 1
                                          ? "1 repetition"
                                          : fmt::format("{:.0f}{} repetitions", repetitions.low,
                                                        repetitions.low == repetitions.high
                                                            ? ""
                                                            : fmt::format(" to {:.0f}", repetitions.high)));
  return out + fmt::format("; limits measured in the same run: read {}, float32 GEMM {}.",
                           span(read.low, read.high, "GB/s"), span(gemm.low, gemm.high, "GFLOP/s"));
}

}  // namespace adder::report
