#include "report/suite.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

namespace adder::report {

namespace {

struct Field {
  const char* name;
  bool nullable = false;
};

/// What the figures and tables read of each experiment's rows.
const std::map<std::string, std::vector<Field>>& row_fields() {
  static const std::vector<Field> measured{{"repetitions"},     {"seconds"},    {"tokens_per_s"},
                                           {"tokens_per_s_sd"}, {"gemm_share"}, {"bandwidth_share"}};
  const auto with = [](std::vector<Field> more) {
    more.insert(more.end(), measured.begin(), measured.end());
    return more;
  };
  static const std::map<std::string, std::vector<Field>> all{
      {"recompute",
       {{"tokens"},
        {"step_s"},
        {"cached_step_s"},
        {"step_speedup"},
        {"total_s"},
        {"cached_total_s"},
        {"total_speedup"}}},
      {"prefill", with({{"tokens"}})},
      {"positions", with({{"position"},
                          {"ms_per_token"},
                          {"state_bytes"},
                          {"program_bytes", true},
                          {"process_bytes", true}})},
      {"generation", {{"tokens"}, {"repetitions"}, {"seconds"}, {"tokens_per_s"}, {"bandwidth_share"}}},
      {"memory",
       {{"tokens"},
        {"cached_bytes", true},
        {"recomputed_bytes", true},
        {"one_program_bytes", true},
        {"process_cached_bytes", true},
        {"process_recomputed_bytes", true}}},
      {"loops", with({{"block"}, {"over_host_loop"}})},
      {"batch", with({{"batch"}, {"state_bytes"}, {"program_bytes", true}})}};
  return all;
}

/// Reads fields, keeping the first fault.
class Reader {
 public:
  explicit Reader(std::string_view origin) : origin_(origin) {}

  const Json& at(const Json& object, const std::string& key, const std::string& path) {
    static const Json kNull;
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (object.is_object() && found != object.end()) return *found;
    fault(path + key, "a value", kNull);
    return kNull;
  }
  double number(const Json& object, const std::string& key, const std::string& path) {
    const Json& value = at(object, key, path);
    if (value.is_number() && std::isfinite(value.get<double>())) return value.get<double>();
    fault(path + key, "a number", value);
    return 0;
  }
  std::string text(const Json& object, const std::string& key, const std::string& path) {
    const Json& value = at(object, key, path);
    if (value.is_string()) return value.get<std::string>();
    fault(path + key, "a string", value);
    return "";
  }
  const Json& array(const Json& object, const std::string& key, const std::string& path) {
    static const Json kEmpty = Json::array();
    const Json& value = at(object, key, path);
    if (value.is_array()) return value;
    fault(path + key, "an array", value);
    return kEmpty;
  }
  void fault(const std::string& path, const char* expected, const Json& found) {
    if (status_)
      status_ = fail(ErrorCode::corrupt,
                     fmt::format("{}: {}: expected {}, found {}", origin_, path, expected, describe(found)),
                     "files are written by `adder bench --suite paper --out DIR`");
  }
  Status status() const { return status_; }

 private:
  std::string origin_;
  Status status_;
};

void check_rows(Reader& reader, const Json& experiments, const std::string& path) {
  for (const auto& [experiment, fields] : row_fields()) {
    const Json& rows = reader.array(experiments, experiment, path);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string row = fmt::format("{}{}[{}].", path, experiment, i);
      for (const Field& field : fields) {
        if (field.nullable && reader.at(rows[i], field.name, row).is_null()) continue;
        reader.number(rows[i], field.name, row);
      }
      if (experiment == "loops") reader.text(rows[i], "loop", row);
    }
  }
}

Model read_model(Reader& reader, const Json& m, const std::string& path) {
  Model out;
  out.name = reader.text(m, "model", path);
  out.dtype = reader.text(m, "dtype", path);
  const Json& device = reader.at(m, "device", path);
  const std::string plugin = reader.text(device, "plugin", path + "device.");
  const std::string platform = reader.text(device, "platform", path + "device.");
  const std::string version = reader.text(device, "api_version", path + "device.");
  out.plugin = fmt::format("{} ({}, API {})", plugin, platform, version);
  const Json& machine = reader.at(m, "machine", path);
  out.read_gb_s = reader.number(machine, "read_gb_s", path + "machine.");
  out.gemm_gflop_s = reader.number(machine, "gemm_gflop_s", path + "machine.");
  out.parameters = reader.number(m, "parameters", path);
  out.weight_bytes = reader.number(m, "weight_bytes", path);
  out.state_bytes = reader.number(m, "state_bytes", path);
  out.seconds = reader.number(m, "seconds", path);
  out.budget_s = reader.number(m, "budget_s", path);
  out.sample_tokens = reader.number(m, "sample_tokens", path);
  const Json& dropped = reader.array(m, "dropped", path);
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    const std::string at = fmt::format("{}dropped[{}].", path, i);
    const std::string experiment = reader.text(dropped[i], "experiment", at);
    const double where = reader.number(dropped[i], "at", at);
    const double estimate = reader.number(dropped[i], "estimated_s", at);
    out.dropped.push_back(fmt::format("{} at {:.0f} (estimated {:.0f} s)", experiment, where, estimate));
  }
  out.experiments = reader.at(m, "experiments", path);
  check_rows(reader, out.experiments, path + "experiments.");
  return out;
}

}  // namespace

Result<std::vector<Model>> read_suite(const Json& document, std::string_view origin) {
  Reader reader(origin);
  const std::string schema = reader.text(document, "schema", "");
  ADDER_CHECK(reader.status());
  if (schema != kSchema)
    return fail(ErrorCode::unsupported, fmt::format("{}: schema: expected {}, found {}", origin,
                                                    in_quotes(kSchema), in_quotes(schema)));
  const Json& host = reader.at(document, "host", "");
  const std::string cpu = reader.text(host, "cpu", "host.");
  const double threads = reader.number(host, "threads", "host.");
  const double memory = reader.number(host, "memory_bytes", "host.") / static_cast<double>(1 << 30);
  const std::string machine = fmt::format("{}, {:.0f} threads, {:.0f} GiB", cpu, threads, memory);
  const std::string created = reader.text(document, "created", "");
  const Json& models = reader.array(document, "models", "");
  std::vector<Model> out;
  for (std::size_t i = 0; i < models.size(); ++i) {
    out.push_back(read_model(reader, models[i], fmt::format("models[{}].", i)));
    out.back().host = machine;
    out.back().created = created;
  }
  if (models.empty()) reader.fault("models", "at least one model", models);
  ADDER_CHECK(reader.status());
  return out;
}

void label_models(std::vector<Model>& models) {
  const auto varies = [&](auto field) {
    std::set<std::string> values;
    for (const Model& m : models) values.insert(field(m));
    return values.size() > 1;
  };
  const bool dtype = varies([](const Model& m) { return m.dtype; });
  const bool plugin = varies([](const Model& m) { return m.plugin; });
  std::map<std::string, int> seen;
  for (Model& m : models) {
    m.label = m.name;
    if (dtype) m.label += ", " + m.dtype;
    if (plugin) m.label += ", " + m.plugin;
    const int count = ++seen[m.label];
    if (count > 1) m.label += fmt::format(" #{}", count);
  }
}

}  // namespace adder::report
