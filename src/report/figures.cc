#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "report/captions.h"

namespace adder::report {

namespace {

using Number = std::optional<double>;

Number number(const Json& row, const char* field) {
  const Json& value = row.at(field);
  return value.is_number() ? Number(value.get<double>()) : std::nullopt;
}

/// One quantity of a figure: where its points come from.
struct Curve {
  std::string experiment, x, y;
  double scale = 1;
  std::string suffix = {};  ///< after the model's label
  bool inverse = false;
  double least_x = 0;
};

void add_curves(Figure& figure, const std::vector<Model>& models, const std::vector<Curve>& curves) {
  for (std::size_t m = 0; m < models.size(); ++m) {
    for (std::size_t c = 0; c < curves.size(); ++c) {
      const Curve& curve = curves[c];
      Line line{
          .label = models[m].label + curve.suffix, .points = {}, .colour = m, .dash = static_cast<int>(c)};
      for (const Json& row : models[m].experiments.at(curve.experiment)) {
        const Number x = number(row, curve.x.c_str()), y = number(row, curve.y.c_str());
        if (!x || !y || *x < curve.least_x || *y <= 0) continue;
        line.points.emplace_back(*x, curve.scale * (curve.inverse ? *x / *y : *y));
      }
      if (!line.points.empty()) figure.lines.push_back(std::move(line));
    }
  }
}

/// A column of a table: a field with how to write it.
struct Column {
  std::string head, field;
  double scale = 1;
  int digits = 0;
};

std::string cell(const Json& row, const Column& column) {
  const Json& value = row.at(column.field);
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number()) return "–";
  return fmt::format("{:.{}f}", value.get<double>() * column.scale, column.digits);
}

void add_table(Figure& figure, const std::vector<Model>& models, const std::vector<Column>& columns) {
  figure.table.head = {"model"};
  for (const Column& column : columns) figure.table.head.push_back(column.head);
  for (const Model& model : models) {
    for (const Json& row : model.experiments.at(figure.experiment)) {
      std::vector<std::string> cells{model.label};
      for (const Column& column : columns)
        cells.push_back(row.contains(column.field) ? cell(row, column) : "–");
      figure.table.rows.push_back(std::move(cells));
    }
  }
}

Figure begin(const char* id, const char* title, const char* experiment, const char* x, const char* y) {
  Figure f;
  f.id = id;
  f.title = title;
  f.caption = caption_of(id);
  f.experiment = experiment;
  f.x_label = x;
  f.y_label = y;
  return f;
}

std::vector<Figure> recompute_figures(const std::vector<Model>& models) {
  const std::vector<Column> columns{{"tokens", "tokens"},
                                    {"recomputed step, ms", "step_s", 1e3, 1},
                                    {"cached step, ms", "cached_step_s", 1e3, 3},
                                    {"step, times", "step_speedup", 1, 1},
                                    {"recomputed total, s", "total_s", 1, 1},
                                    {"cached total, s", "cached_total_s", 1, 3},
                                    {"measured", "cached_total_measured"},
                                    {"total, times", "total_speedup", 1, 1}};
  std::vector<Figure> out;
  out.push_back(begin("speedup-total", "Cached decode against full recomputation, whole generation",
                      "recompute", "tokens generated", "times faster"));
  add_curves(out.back(), models, {{"recompute", "tokens", "total_speedup"}});
  out.push_back(begin("speedup-step", "Cached decode against full recomputation, the next token", "recompute",
                      "tokens before it", "times faster"));
  add_curves(out.back(), models, {{"recompute", "tokens", "step_speedup"}});
  for (Figure& figure : out) add_table(figure, models, columns);
  return out;
}

std::vector<Figure> position_figures(const std::vector<Model>& models) {
  Figure latency =
      begin("latency-position", "Latency of one token by position", "positions", "position", "ms a token");
  latency.log_y = true;
  latency.tick_values = false;
  add_curves(latency, models,
             {{"positions", "position", "ms_per_token"},
              {"prefill", "tokens", "seconds", 1e3, ", recomputed", false, 2}});
  add_table(latency, models,
            {{"position", "position"},
             {"ms a token", "ms_per_token", 1, 3},
             {"tok/s", "tokens_per_s", 1, 1},
             {"± tok/s", "tokens_per_s_sd", 1, 1},
             {"bandwidth share, %", "bandwidth_share", 100, 1},
             {"repetitions", "repetitions"}});
  Figure memory = begin("memory-position", "Memory by position", "positions", "position", "MB");
  memory.log_y = true;
  memory.tick_values = false;
  add_curves(memory, models,
             {{"positions", "position", "state_bytes", 1e-6, ", state"},
              {"positions", "position", "process_bytes", 1e-6, ", process"}});
  add_table(memory, models,
            {{"position", "position"},
             {"state, MB", "state_bytes", 1e-6, 3},
             {"decode program, MB", "program_bytes", 1e-6, 1},
             {"process, MB", "process_bytes", 1e-6, 1}});
  return {latency, memory};
}

std::vector<Figure> length_figures(const std::vector<Model>& models) {
  const std::vector<Column> columns{{"tokens", "tokens"},
                                    {"s", "seconds", 1, 3},
                                    {"tok/s", "tokens_per_s", 1, 1},
                                    {"bandwidth share, %", "bandwidth_share", 100, 1},
                                    {"repetitions", "repetitions"}};
  Figure latency = begin("latency-length", "Total latency against generated length", "generation",
                         "tokens generated", "seconds");
  latency.log_y = true;
  add_curves(latency, models,
             {{"generation", "tokens", "seconds"}, {"recompute", "tokens", "total_s", 1, ", recomputed"}});
  Figure rate = begin("throughput-length", "Tokens a second by generated length", "generation",
                      "tokens generated", "tokens a second");
  rate.log_y = true;
  add_curves(rate, models,
             {{"generation", "tokens", "tokens_per_s"},
              {"recompute", "tokens", "total_s", 1, ", recomputed", true}});
  Figure memory =
      begin("memory-length", "Peak memory by length, cached and not cached", "memory", "tokens", "MB");
  memory.log_y = true;
  add_curves(memory, models,
             {{"memory", "tokens", "cached_bytes", 1e-6, ", cached"},
              {"memory", "tokens", "one_program_bytes", 1e-6, ", recomputed at once"},
              {"memory", "tokens", "recomputed_bytes", 1e-6, ", recomputed in pieces"}});
  add_table(memory, models,
            {{"tokens", "tokens"},
             {"cached, MB", "cached_bytes", 1e-6, 1},
             {"recomputed at once, MB", "one_program_bytes", 1e-6, 1},
             {"in pieces, MB", "recomputed_bytes", 1e-6, 1},
             {"process, cached, MB", "process_cached_bytes", 1e-6, 1},
             {"process, in pieces, MB", "process_recomputed_bytes", 1e-6, 1}});
  add_table(latency, models, columns);
  add_table(rate, models, columns);
  return {latency, rate, memory};
}

std::vector<Figure> share_figures(const std::vector<Model>& models) {
  Figure flops = begin("prefill-flops", "Prefill's share of the GEMM rate by prompt length", "prefill",
                       "prompt tokens", "% of the GEMM rate");
  add_curves(flops, models, {{"prefill", "tokens", "gemm_share", 100, "", false, 2}});
  add_table(flops, models,
            {{"tokens", "tokens"},
             {"tok/s", "tokens_per_s", 1, 1},
             {"± tok/s", "tokens_per_s_sd", 1, 1},
             {"GEMM share, %", "gemm_share", 100, 1},
             {"s", "seconds", 1, 4},
             {"repetitions", "repetitions"}});
  Figure bandwidth = begin("decode-bandwidth", "Decode's share of the read bandwidth by prompt length",
                           "positions", "prompt tokens", "% of the read bandwidth");
  bandwidth.tick_values = false;
  add_curves(bandwidth, models, {{"positions", "position", "bandwidth_share", 100}});
  add_table(bandwidth, models,
            {{"prompt tokens", "position"},
             {"bandwidth share, %", "bandwidth_share", 100, 1},
             {"tok/s", "tokens_per_s", 1, 1},
             {"± tok/s", "tokens_per_s_sd", 1, 1}});
  return {flops, bandwidth};
}

/// "host loop", "pipelined", "S = 4".
std::string loop_name(const Json& row) {
  const std::string loop = row.at("loop").get<std::string>();
  if (loop == "host") return "host loop";
  if (loop == "pipelined") return "pipelined";
  return fmt::format("S = {:.0f}", row.at("block").get<double>());
}

Figure loops_figure(const std::vector<Model>& models) {
  Figure f = begin("loops", "Device loop against host loop", "loops", "", "times the host loop");
  f.log_x = false;
  for (std::size_t m = 0; m < models.size(); ++m) {
    Line line{.label = models[m].label, .points = {}, .colour = m};
    for (const Json& row : models[m].experiments.at("loops")) {
      const std::string category = loop_name(row);
      auto found = std::find(f.categories.begin(), f.categories.end(), category);
      if (found == f.categories.end()) found = f.categories.insert(found, category);
      line.points.emplace_back(static_cast<double>(found - f.categories.begin()),
                               row.at("over_host_loop").get<double>());
    }
    f.lines.push_back(std::move(line));
  }
  add_table(f, models,
            {{"loop", "loop"},
             {"S", "block"},
             {"tok/s", "tokens_per_s", 1, 1},
             {"± tok/s", "tokens_per_s_sd", 1, 1},
             {"times the host loop", "over_host_loop", 1, 3},
             {"bandwidth share, %", "bandwidth_share", 100, 1},
             {"same tokens", "same_tokens"},
             {"repetitions", "repetitions"}});
  return f;
}

Figure batch_figure(const std::vector<Model>& models) {
  Figure f = begin("batch", "Batch scaling of decode", "batch", "sequences", "tokens a second, all together");
  f.log_y = true;
  add_curves(f, models, {{"batch", "batch", "tokens_per_s"}});
  add_table(f, models,
            {{"batch", "batch"},
             {"tok/s", "tokens_per_s", 1, 1},
             {"± tok/s", "tokens_per_s_sd", 1, 1},
             {"bandwidth share, %", "bandwidth_share", 100, 1},
             {"GEMM share, %", "gemm_share", 100, 1},
             {"states, MB", "state_bytes", 1e-6, 1},
             {"program, MB", "program_bytes", 1e-6, 1}});
  return f;
}

}  // namespace

std::vector<Figure> make_figures(const std::vector<Model>& models) {
  std::vector<Figure> out;
  const auto append = [&](std::vector<Figure> more) {
    for (Figure& figure : more) out.push_back(std::move(figure));
  };
  append(recompute_figures(models));
  append(position_figures(models));
  append(length_figures(models));
  append(share_figures(models));
  append({loops_figure(models), batch_figure(models)});
  return out;
}

}  // namespace adder::report
