#include "profile/trace.h"

#include <nlohmann/json.hpp>

namespace adder::profile {

void Trace::name_thread(int process, int thread, std::string name) {
  threads_.push_back({process, thread, std::move(name)});
}

std::string Trace::json() const {
  using Json = nlohmann::ordered_json;
  Json events = Json::array();
  const auto metadata = [&](const char* what, int process, int thread, const std::string& name) {
    events.push_back(
        {{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"args", {{"name", name}}}});
  };
  for (const auto& [process, name] : processes_) metadata("process_name", process, 0, name);
  for (const Thread& t : threads_) metadata("thread_name", t.process, t.thread, t.name);
  for (const TraceSpan& span : spans_) {
    Json event{{"ph", "X"},
               {"name", span.name},
               {"cat", span.category.empty() ? "other" : span.category},
               {"pid", span.process},
               {"tid", span.thread},
               {"ts", span.start_us},
               {"dur", span.duration_us}};
    if (!span.details.empty()) {
      Json args = Json::object();
      for (const auto& [key, value] : span.details) args[key] = value;
      event["args"] = std::move(args);
    }
    events.push_back(std::move(event));
  }
  const Json file{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}};
  return file.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace adder::profile
