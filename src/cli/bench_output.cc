#include "cli/bench_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "measure/measure.h"

namespace adder::cli {
namespace {

measure::Limits machine_of(const std::vector<BenchedModel>& models) {
  std::vector<measure::Limits> all;
  for (const BenchedModel& m : models)
    all.insert(all.end(), m.report.machine.begin(), m.report.machine.end());
  return measure::median_of(all);
}

OrderedJson row_json(const BenchedModel& model, const measure::BenchmarkRow& row, const Host& host) {
  OrderedJson out{{"test", row.test},
                  {"model", model.name},
                  {"dtype", model.dtype},
                  {"n_prompt", row.n_prompt},
                  {"n_gen", row.n_gen},
                  {"batch", row.batch},
                  {"depth", row.depth},
                  {"tokens_per_s", row.tokens_per_s},
                  {"tokens_per_s_sd", row.tokens_per_s_sd},
                  {"samples", row.samples},
                  {"gemm_share", row.gemm_share},
                  {"bandwidth_share", row.bandwidth_share},
                  {"weight_bytes", model.weight_bytes},
                  {"state_bytes", row.state_bytes},
                  {"peak_bytes", row.peak_bytes}};
  const std::string note = share_note(row, model.weight_bytes, model.on_host ? host.cache_bytes : 0);
  if (!note.empty()) out["note"] = note;
  return out;
}

/// Every row with all that was the same for all of them.
std::vector<OrderedJson> flat_rows(const std::vector<BenchedModel>& models, const Host& host) {
  const OrderedJson machine = to_json(machine_of(models));
  std::vector<OrderedJson> out;
  for (const BenchedModel& model : models)
    for (const measure::BenchmarkRow& row : model.report.rows) {
      OrderedJson flat = row_json(model, row, host);
      if (!flat.contains("note")) flat["note"] = "";
      flat.update(model.device);
      flat.update(machine);
      flat.update(to_json(host));
      flat["adder"] = ADDER_VERSION;
      flat["commit"] = build_commit();
      out.push_back(std::move(flat));
    }
  return out;
}

std::string csv_field(const OrderedJson& value) {
  std::string text;
  if (value.is_array())
    text = fmt::format("{}", fmt::join(value.get<std::vector<double>>(), " "));
  else
    text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string share_note(const measure::BenchmarkRow& row, std::int64_t weight_bytes,
                       std::int64_t cache_bytes) {
  if (row.bandwidth_share <= 1 && row.gemm_share <= 1) return {};
  if (row.bandwidth_share > 1 && weight_bytes <= cache_bytes)
    return fmt::format(
        "more than 100% of the read bandwidth: the weights, {}, fit in the processor's cache of {}, and the "
        "share is of what memory gives",
        human_bytes(static_cast<double>(weight_bytes)), human_bytes(static_cast<double>(cache_bytes)));
  return fmt::format(
      "more than 100% of the {}: the device was faster while the test ran than while its limit was "
      "measured",
      row.bandwidth_share > 1 ? "read bandwidth" : "GEMM rate");
}

OrderedJson bench_json(const std::vector<BenchedModel>& models, const Host& host) {
  OrderedJson rows = OrderedJson::array();
  for (const BenchedModel& model : models)
    for (const measure::BenchmarkRow& row : model.report.rows) rows.push_back(row_json(model, row, host));
  return {{"adder", ADDER_VERSION},
          {"commit", build_commit()},
          {"host", to_json(host)},
          {"device", models.front().device},
          {"machine", to_json(machine_of(models))},
          {"rows", std::move(rows)}};
}

std::string bench_jsonl(const std::vector<BenchedModel>& models, const Host& host) {
  std::string out;
  for (const OrderedJson& row : flat_rows(models, host)) out += json_line(row);
  return out;
}

std::string bench_csv(const std::vector<BenchedModel>& models, const Host& host) {
  std::vector<OrderedJson> rows = flat_rows(models, host);
  // One model may have been held against bfloat16's rate and another not: every line has every column.
  std::vector<std::string> columns;
  for (const OrderedJson& row : rows)
    for (const auto& [key, value] : row.items())
      if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
  std::string out = fmt::format("{}\n", fmt::join(columns, ","));
  for (const OrderedJson& row : rows) {
    std::vector<std::string> fields;
    for (const std::string& column : columns)
      fields.push_back(row.contains(column) ? csv_field(row[column]) : "");
    out += fmt::format("{}\n", fmt::join(fields, ","));
  }
  return out;
}

std::string bench_markdown(const std::vector<BenchedModel>& models, const Host& host) {
  const measure::Limits machine = machine_of(models);
  std::string out = fmt::format("{}\n\n{}; read {:.1f} GB/s, float32 GEMM {:.0f} GFLOP/s{}\n\n",
                                models.front().description, host.cpu, machine.read_gb_s, machine.gemm_gflop_s,
                                machine.gemm_bf16_gflop_s > 0
                                    ? fmt::format(", bfloat16 GEMM {:.0f} GFLOP/s", machine.gemm_bf16_gflop_s)
                                    : "");
  out += "| test | model | dtype | batch | tok/s | GEMM share | bandwidth share | state MB | peak MB |\n";
  out += "|---|---|---|---:|---:|---:|---:|---:|---:|\n";
  std::string notes;
  for (const BenchedModel& model : models)
    for (const measure::BenchmarkRow& row : model.report.rows) {
      out +=
          fmt::format("| {} | {} | {} | {} | {:.1f} ± {:.1f} | {:.0f}% | {:.0f}% | {:.1f} | {:.1f} |\n",
                      row.test, model.name, model.dtype, row.batch, row.tokens_per_s, row.tokens_per_s_sd,
                      100 * row.gemm_share, 100 * row.bandwidth_share,
                      static_cast<double>(row.state_bytes) / 1e6, static_cast<double>(row.peak_bytes) / 1e6);
      const std::string note = share_note(row, model.weight_bytes, model.on_host ? host.cache_bytes : 0);
      if (!note.empty())
        notes += fmt::format("\n{} of {}, batch {}: {}.\n", row.test, model.name, row.batch, note);
    }
  return out + notes;
}

}  // namespace adder::cli
