#include <algorithm>

#include "base/atomic_file.h"
#include "base/json.h"
#include "engine/tuning.h"

namespace adder::engine {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 2;  // 1 knew plugins by their path

std::optional<TunedProduct> read_entry(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  TunedProduct out;
  for (const auto& [key, field] : {std::pair{"context", &out.context},
                                   {"device", &out.device},
                                   {"product", &out.product},
                                   {"chosen", &out.chosen}}) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return std::nullopt;
    *field = found->get<std::string>();
  }
  const auto times = json.find("microseconds");
  if (times == json.end() || !times->is_object()) return std::nullopt;
  for (const auto& [name, value] : times->items())
    if (value.is_number()) out.microseconds[name] = value.get<double>();
  if (const auto unsteady = json.find("unsteady"); unsteady != json.end() && unsteady->is_number_integer())
    out.unsteady = unsteady->get<int>();
  return out;
}

}  // namespace

std::filesystem::path tuning_lock(const std::filesystem::path& folder) { return folder / "tuning.lock"; }

TuningFile::TuningFile(const std::filesystem::path& folder) : path_(folder / "tuning.json") {
  const auto json = read_json_file(path_);
  if (!json || !json->is_object() || json->value("version", Json()) != kVersion) return;
  const auto entries = json->find("entries");
  if (entries == json->end() || !entries->is_array()) return;
  for (const Json& entry : *entries)
    if (auto read = read_entry(entry)) entries_.push_back(*std::move(read));
}

const TunedProduct* TuningFile::find(const std::string& context, const std::string& product) const {
  for (const TunedProduct& e : entries_)
    if (e.context == context && e.product == product) return &e;
  return nullptr;
}

void TuningFile::put(TunedProduct entry) {
  std::erase_if(entries_, [&](const TunedProduct& e) {
    return e.context == entry.context && e.product == entry.product;
  });
  entries_.push_back(std::move(entry));
}

Status TuningFile::save() const {
  OrderedJson entries = OrderedJson::array();
  for (const TunedProduct& e : entries_)
    entries.push_back({{"context", e.context},
                       {"device", e.device},
                       {"product", e.product},
                       {"chosen", e.chosen},
                       {"microseconds", e.microseconds},
                       {"unsteady", e.unsteady}});
  const std::string text = OrderedJson{{"version", kVersion}, {"entries", entries}}.dump(1) + "\n";
  std::error_code ignored;  // then writing says what is wrong
  std::filesystem::create_directories(path_.parent_path(), ignored);
  return write_atomically(path_, [&](AtomicFile& file) { return file.write(std::string_view(text)); });
}

}  // namespace adder::engine
