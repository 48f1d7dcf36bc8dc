#include "cli/suite_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cli/provenance.h"
#include "report/suite.h"

namespace adder::cli {
namespace {

using measure::Measurement;

OrderedJson maybe(const std::optional<std::int64_t>& bytes) {
  return bytes ? OrderedJson(*bytes) : OrderedJson(nullptr);
}

/// What every measured point says.
OrderedJson point(std::string_view at, std::int64_t value, const Measurement& m) {
  return {{std::string(at), value},         {"repetitions", m.repetitions},
          {"seconds", m.seconds},           {"seconds_sd", m.seconds_sd},
          {"tokens_per_s", m.tokens_per_s}, {"tokens_per_s_sd", m.tokens_per_s_sd},
          {"gemm_share", m.gemm_share},     {"bandwidth_share", m.bandwidth_share}};
}

template <class Points, class F>
OrderedJson list(const Points& points, F&& one) {
  OrderedJson out = OrderedJson::array();
  for (const auto& p : points) out.push_back(one(p));
  return out;
}

OrderedJson decode_experiments(const measure::SuiteReport& r) {
  return {{"positions", list(r.positions,
                             [](const measure::PositionPoint& p) {
                               OrderedJson out = point("position", p.position, p.measured);
                               out["ms_per_token"] = 1e3 / p.measured.tokens_per_s;
                               out["state_bytes"] = p.state_bytes;
                               out["program_bytes"] = maybe(p.program_bytes);
                               out["process_bytes"] = maybe(p.process_bytes);
                               return out;
                             })},
          {"generation", list(r.generation,
                              [](const measure::GenerationPoint& p) -> OrderedJson {
                                return {{"tokens", p.tokens},
                                        {"repetitions", p.repetitions},
                                        {"seconds", p.seconds},
                                        {"seconds_sd", p.seconds_sd},
                                        {"tokens_per_s", static_cast<double>(p.tokens) / p.seconds},
                                        {"bandwidth_share", p.bandwidth_share}};
                              })},
          {"loops", list(r.loops,
                         [&](const measure::LoopPoint& p) {
                           OrderedJson out = point("block", p.block, p.measured);
                           out["loop"] = p.in_flight == 1 ? "host" : p.block == 1 ? "pipelined" : "device";
                           out["over_host_loop"] =
                               p.measured.tokens_per_s / r.loops.front().measured.tokens_per_s;
                           out["same_tokens"] = p.same_tokens;
                           return out;
                         })},
          {"batch", list(r.batches, [](const measure::BatchPoint& p) {
             OrderedJson out = point("batch", p.batch, p.measured);
             out["state_bytes"] = p.state_bytes;
             out["program_bytes"] = maybe(p.program_bytes);
             return out;
           })}};
}

OrderedJson experiments(const measure::SuiteReport& r) {
  OrderedJson out{
      {"recompute", list(r.recompute,
                         [](const measure::RecomputePoint& p) -> OrderedJson {
                           return {{"tokens", p.tokens},
                                   {"step_s", p.step_s},
                                   {"cached_step_s", p.cached_step_s},
                                   {"step_speedup", p.step_speedup()},
                                   {"total_s", p.total_s},
                                   {"cached_total_s", p.cached_total_s},
                                   {"cached_total_measured", p.cached_total_measured},
                                   {"total_speedup", p.total_speedup()}};
                         })},
      {"prefill",
       list(r.prefill, [](const measure::PrefillPoint& p) { return point("tokens", p.tokens, p.measured); })},
      {"memory", list(r.memory, [&](const measure::MemoryPoint& p) -> OrderedJson {
         return {{"tokens", p.tokens},
                 {"cached_bytes", maybe(p.cached)},
                 {"recomputed_bytes", maybe(p.recomputed)},
                 {"one_program_bytes", maybe(p.one_program)},
                 {"process_cached_bytes", maybe(r.process_cached)},
                 {"process_recomputed_bytes", maybe(p.process_recomputed)}};
       })}};
  out.update(decode_experiments(r));
  return out;
}

}  // namespace

OrderedJson suite_model(const ModelOptions& model, const measure::SuiteOptions& options,
                        const engine::Engine& engine, const measure::SuiteReport& r) {
  return {{"model", model_name(model.model, engine.checkpoint().directory())},
          {"parameters", engine.checkpoint().parameter_count()},
          {"dtype", dtype_name(engine)},
          {"precision", model.precision},
          {"device", device_json(engine)},
          {"machine", to_json(r.machine)},
          {"weight_bytes", r.weight_bytes},
          {"state_bytes", r.state_bytes},
          {"sample_tokens", r.plan.sample},
          {"repetitions", options.repetitions},
          {"budget_s", options.budget_s},
          {"seconds", r.seconds},
          {"dropped",
           list(r.plan.dropped,
                [](const measure::SuitePoint& p) -> OrderedJson {
                  return {{"experiment", name(p.experiment)}, {"at", p.at}, {"estimated_s", p.estimated_s}};
                })},
          {"experiments", experiments(r)}};
}

OrderedJson suite_document(std::vector<OrderedJson> models) {
  return {{"schema", report::kSchema},
          {"adder", ADDER_VERSION},
          {"created", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"commit", build_commit()},
          {"host", to_json(Host::current())},
          {"models", std::move(models)}};
}

}  // namespace adder::cli
